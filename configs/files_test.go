package configs_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs"
)

func TestSecretsFromFiles(t *testing.T) {
	keys := write(t, "keys", "0000000000000000\r\n\n  not a key of the file before  ..\n1111111111111111\n")
	found := mistakes(t, strings.Replace(minimal, "authorization_keys: [0123456789abcdef]",
		"authorization_keys_file: "+keys, 1))
	require.Len(t, found, 1)
	require.Equal(t, "receiver.authorization_keys[1]", found[0].Path, "each line is a key as it is, spaces included")
	require.Equal(t, 2, found[0].Line)

	keys = write(t, "keys", "0000000000000000\r\n\n1111111111111111\n")
	token := write(t, "token", canary+"\n\n")
	config, err := configs.LoadBytes("test.yaml", []byte(strings.Replace(minimal,
		"authorization_keys: [0123456789abcdef]", "authorization_keys: [], authorization_keys_file: "+keys, 1)+`
  auth: {type: bearer, token: "", token_file: `+token+`, password_file: ""}
admin: {listen: ":9090"}
`), []string{"CRMSYNCD_ADMIN__TOKEN_FILE=" + write(t, "admin", "admin-token-0123456789")})
	require.NoError(t, err)
	require.Len(t, config.Receiver.AuthorizationKeys, 2)
	require.Equal(t, "0000000000000000", config.Receiver.AuthorizationKeys[0].Reveal())
	require.Equal(t, "1111111111111111", config.Receiver.AuthorizationKeys[1].Reveal())
	require.Equal(t, canary+"\n", config.CRM.Rest.Auth.Token.Reveal(), "one newline is trimmed, no more")
	require.Empty(t, config.CRM.Rest.Auth.TokenFile)
	require.Equal(t, "admin-token-0123456789", config.Admin.Token.Reveal())
}

func TestMistakesInSecretFiles(t *testing.T) {
	empty, large := write(t, "empty", "\n"), write(t, "large", strings.Repeat("x", 64<<10+1))
	placeholder, folder := write(t, "placeholder", "[set]\n"), t.TempDir()
	for name, test := range map[string]struct{ given, want string }{
		"missing":     {"/nowhere/token", `"/nowhere/token": cannot be read: no such file or directory`},
		"folder":      {folder, `"` + folder + `": cannot be read: is a directory`},
		"empty":       {empty, `"` + empty + `": is empty: it must hold the secret`},
		"too large":   {large, `"` + large + `": is larger than 64KiB, it cannot be a secret`},
		"no value":    {"", "has no value: give it one or remove it"},
		"not a name":  {"[a]", "takes the name of a file"},
		"placeholder": {placeholder, "is the placeholder of a secret, not a secret"},
	} {
		t.Run(name, func(t *testing.T) {
			path := "admin.token_file: "
			if name == "placeholder" {
				path = "admin.token: "
			}
			found := mistakes(t, minimal+"admin:\n  token_file: "+test.given+"\n")
			require.Equal(t, "test.yaml:12: "+path+test.want, found.Error())
		})
	}
}

func TestSecretAndItsFile(t *testing.T) {
	token := write(t, "token", canary)
	found := mistakes(t, minimal+"admin:\n  token: "+canary+"\n  token_file: "+token+"\n")
	require.Equal(t, "test.yaml:13: admin.token_file: is set as well as admin.token (test.yaml:12): keep one of them",
		found.Error())
	found = mistakes(t, minimal+"admin:\n  token: "+canary+"\n", "CRMSYNCD_ADMIN__TOKEN_FILE="+token)
	require.Equal(t, "environment CRMSYNCD_ADMIN__TOKEN_FILE: admin.token_file: is set as well as admin.token "+
		"(test.yaml:12): keep one of them", found.Error())
}
