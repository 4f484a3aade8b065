package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/crmsyncd/crmsyncd/configs/secret"
)

const canary = "canary-5f1e9c"

type exported struct {
	Name  string
	Token secret.String
}

type unexported struct {
	name  string
	token secret.String
}

type nested struct {
	inner  unexported
	tokens []secret.String
	named  map[string]secret.String
	any    any
}

// shapes are the ways in which a secret may sit in what is printed.
func shapes() map[string]any {
	s := secret.New(canary)
	return map[string]any{
		"value":             s,
		"pointer":           &s,
		"exported field":    exported{Name: "a", Token: s},
		"pointer to struct": &exported{Name: "a", Token: s},
		"unexported field":  unexported{name: "a", token: s},
		"unexported behind pointer": &nested{
			inner: unexported{token: s}, tokens: []secret.String{s}, named: map[string]secret.String{"a": s}, any: s,
		},
		"slice":     []secret.String{s, s},
		"array":     [1]secret.String{s},
		"map value": map[string]secret.String{"a": s},
		"map key":   map[secret.String]string{s: "a"},
		"interface": []any{s, &s},
	}
}

func TestEveryVerbHidesTheText(t *testing.T) {
	for name, shape := range shapes() {
		for _, verb := range []string{
			"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c", "%U", "%e", "%p", "%20s", "%-.3v", "%+q", "% x",
		} {
			text := fmt.Sprintf(verb, shape)
			requireHidden(t, text, name+" with "+verb)
		}
		requireHidden(t, fmt.Sprint(shape), name)
		requireHidden(t, fmt.Errorf("load %v: %w", shape, errors.ErrUnsupported).Error(), name)
	}
}

func TestEncodersHideTheText(t *testing.T) {
	for name, shape := range shapes() {
		encoded, err := json.Marshal(shape)
		require.NoError(t, err, name)
		requireHidden(t, string(encoded), name+" in JSON")
		encoded, err = yaml.Marshal(shape)
		require.NoError(t, err, name)
		requireHidden(t, string(encoded), name+" in YAML")
	}
	encoded, err := json.Marshal(exported{Token: secret.New(canary)})
	require.NoError(t, err)
	require.JSONEq(t, `{"Name":"","Token":"[set]"}`, string(encoded))
	encoded, err = yaml.Marshal(exported{})
	require.NoError(t, err)
	require.Equal(t, "name: \"\"\ntoken: '[unset]'\n", string(encoded))
}

func TestLogHandlersHideTheText(t *testing.T) {
	var out bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		log := slog.New(handler)
		for name, shape := range shapes() {
			out.Reset()
			log.Info("shape", "shape", shape, slog.Group("group", slog.Any("shape", shape)))
			require.NotEmpty(t, out.String())
			requireHidden(t, out.String(), name)
		}
	}
}

func TestPlaceholders(t *testing.T) {
	for verb, text := range map[string]string{"%v": "[set]", "%q": "[set]", "%d": "[set]", "%#v": "[set]"} {
		require.Equal(t, text, fmt.Sprintf(verb, secret.New(canary)), verb)
	}
	require.Equal(t, "[unset]", fmt.Sprint(secret.String{}))
	require.Equal(t, "[set]", secret.New(canary).String())
	require.Equal(t, "[set]", secret.New(canary).GoString())
	require.Equal(t, "[unset]", secret.String{}.LogValue().String())
}

func TestUnmarshalText(t *testing.T) {
	var s secret.String
	require.NoError(t, s.UnmarshalText([]byte(canary)))
	require.Equal(t, canary, s.Reveal())
	for _, placeholder := range []string{"[set]", "[unset]"} {
		require.Error(t, s.UnmarshalText([]byte(placeholder)))
		require.Equal(t, canary, s.Reveal(), "a refused text changes nothing")
	}
	require.NoError(t, s.UnmarshalText(nil))
	require.False(t, s.IsSet())
	require.Equal(t, secret.String{}, s)

	var decoded exported
	require.NoError(t, json.Unmarshal([]byte(`{"Token":"`+canary+`"}`), &decoded))
	require.Equal(t, canary, decoded.Token.Reveal())
	require.NoError(t, yaml.Unmarshal([]byte("token: "+canary+"-2"), &decoded))
	require.Equal(t, canary+"-2", decoded.Token.Reveal())
}

func TestCopiesAreIndependent(t *testing.T) {
	a := secret.New(canary)
	b := a
	require.NoError(t, b.UnmarshalText([]byte("other")))
	require.Equal(t, canary, a.Reveal())
	require.Equal(t, "other", b.Reveal())
}

func TestRevealReturnsWhatWasKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		s := secret.New(text)
		require.Equal(t, text, s.Reveal())
		require.Equal(t, text != "", s.IsSet())
	})
}

// requireHidden looks for the text as it is, in hexadecimal and as a list of code points.
func requireHidden(t *testing.T, text, what string) {
	t.Helper()
	for _, form := range []string{
		canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprintf("% x", canary),
		fmt.Sprintf("%d", []byte(canary)), fmt.Sprintf("%U", []rune(canary)),
	} {
		require.NotContains(t, text, form, what)
	}
}
