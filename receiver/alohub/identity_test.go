package alohub_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crmsyncd/crmsyncd/receiver/alohub"
)

func TestIdentity(t *testing.T) {
	cases := map[string]struct {
		a, b string
		same bool
	}{
		"white space":             {`{"a":1,"b":"x y"}`, " {\n\t\"a\" : 1 ,\r\n \"b\" :\"x y\" } \n", true},
		"order of keys":           {`{"a":1,"b":2,"call_id":"3"}`, `{"call_id":"3","b":2,"a":1}`, true},
		"order of nested keys":    {`{"a":[{"c":1,"d":{"e":1,"f":2}}]}`, `{"a":[ {"d":{"f":2,"e":1},"c":1} ]}`, true},
		"order of elements":       {`{"a":[1,2]}`, `{"a":[2,1]}`, false},
		"space within a string":   {`{"a":"x y"}`, `{"a":"xy"}`, false},
		"number and string":       {`{"a":1}`, `{"a":"1"}`, false},
		"number written anew":     {`{"a":1}`, `{"a":1.0}`, false},
		"escape written anew":     {`{"a":"é"}`, `{"a":"\u00e9"}`, false},
		"another value":           {`{"a":1}`, `{"a":2}`, false},
		"another key":             {`{"a":1}`, `{"b":1}`, false},
		"empty and missing":       {`{"a":""}`, `{}`, false},
		"null and missing":        {`{"a":null}`, `{}`, false},
		"order of a repeated key": {`{"a":1,"a":2}`, `{"a":2,"a":1}`, false},
		"repeated among others":   {`{"a":1,"b":0,"a":2}`, `{"b":0,"a":1,"a":2}`, true},
		"key that is a prefix":    {`{"a":1,"ab":2}`, `{"ab":2,"a":1}`, true},
		"empty containers":        {`{"a":{},"b":[]}`, `{ "b" : [ ] , "a" : { } }`, true},
		"nested and not":          {`{"a":{"b":1}}`, `{"a":[{"b":1}]}`, false},
		"quotes and braces":       {`{"a":"\"}{,:\\","b":1}`, `{"b":1, "a":"\"}{,:\\"}`, true},
		"not JSON, the same":      {`{"a":`, `{"a":`, true},
		"not JSON, white space":   {`{"a":`, `{"a": `, false},
	}
	decoder := newDecoder(t, alohub.Options{})
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			a, b := decoder.Identity([]byte(c.a)), decoder.Identity([]byte(c.b))
			require.Len(t, a, 32)
			require.Equal(t, c.same, bytes.Equal(a, b))
		})
	}
}

// TestIdentityOfAnyLayout draws JSON objects and writes each in another layout: another order of keys, other white
// space.
func TestIdentityOfAnyLayout(t *testing.T) {
	decoder := newDecoder(t, alohub.Options{})
	rapid.Check(t, func(t *rapid.T) {
		value := drawObject(t, 3)
		layout := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "layout"), 0))
		one, other := write(layout, value), write(layout, value)
		require.True(t, json.Valid([]byte(one)), one)
		require.Equal(t, decoder.Identity([]byte(one)), decoder.Identity([]byte(other)), "%s\n%s", one, other)

		_, errOne := decoder.Decode([]byte(one))
		_, errOther := decoder.Decode([]byte(other))
		require.Equal(t, errOne, errOther)
	})
}

// drawObject draws an object whose keys differ.
func drawObject(t *rapid.T, depth int) map[string]any {
	object := make(map[string]any)
	for range rapid.IntRange(0, 5).Draw(t, "members") {
		key := rapid.OneOf(rapid.SampledFrom([]string{"call_id", "direction", "a", "A", ""}), rapid.String()).Draw(t, "key")
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			object[key] = rapid.String().Draw(t, "string")
		case 1:
			object[key] = json.Number(fmt.Sprint(rapid.Int64().Draw(t, "number")))
		case 2:
			object[key] = rapid.SampledFrom([]any{nil, true, false, []any{}, map[string]any{}}).Draw(t, "constant")
		default:
			if depth > 0 {
				object[key] = []any{drawObject(t, depth-1), "x", drawObject(t, depth-1)}
			}
		}
	}
	return object
}

// write writes a value with its keys and white space as chance has it.
func write(layout *rand.Rand, value any) string {
	space := func() string {
		return strings.Repeat([]string{" ", "\n", "\t", "\r\n"}[layout.IntN(4)], layout.IntN(3))
	}
	var parts []string
	switch v := value.(type) {
	case map[string]any:
		for key, member := range v {
			literal, _ := json.Marshal(key)
			parts = append(parts, space()+string(literal)+space()+":"+write(layout, member))
		}
		layout.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		return space() + "{" + strings.Join(parts, ",") + space() + "}" + space()
	case []any:
		for _, element := range v {
			parts = append(parts, write(layout, element))
		}
		return space() + "[" + strings.Join(parts, ",") + space() + "]" + space()
	default:
		literal, _ := json.Marshal(v)
		return space() + string(literal) + space()
	}
}

// FuzzDecode holds, for any bytes: no panic, an event or a typed error, the same each time, and an identity that
// another layout of the same text does not change.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(f, err)
	for _, file := range files {
		body, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(body)
	}
	decoder := newDecoder(f, alohub.Options{RecordingBase: recordingBase})
	f.Fuzz(func(t *testing.T, body []byte) {
		event, err := decoder.Decode(body)
		again, errAgain := decoder.Decode(body)
		require.Equal(t, event, again)
		require.Equal(t, err, errAgain)
		identity := decoder.Identity(body)
		require.Equal(t, identity, decoder.Identity(body))

		var indented, compact bytes.Buffer
		if json.Indent(&indented, body, " ", "\t") == nil {
			require.NoError(t, json.Compact(&compact, body))
			require.Equal(t, identity, decoder.Identity(indented.Bytes()))
			require.Equal(t, identity, decoder.Identity(compact.Bytes()))
		}
		if err != nil {
			var refusal *alohub.DecodeError
			require.ErrorAs(t, err, &refusal)
			return
		}
		require.NotEmpty(t, event.CallID)
		require.LessOrEqual(t, len(event.CallID), 255)
		for _, text := range []string{event.Agent, event.TransactionID, event.Status, event.CustomerNumber} {
			require.LessOrEqual(t, len(text), 1024*3) // lower case may be longer than what was cut
		}
		require.LessOrEqual(t, len(event.RecordingURL), 3*4096+100)
	})
}
