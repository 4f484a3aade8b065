package api_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/api"
)

func TestTokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.json")
	store := api.TokenFile(path)
	stored, err := store.Load()
	require.NoError(t, err)
	require.Equal(t, api.Stored{}, stored)
	for i := range 3 {
		want := api.Stored{
			RefreshToken: fmt.Sprint("refresh-", i), AccessToken: "access", BaseURL: "https://crm.example.com", Origin: "0a",
			Expires: time.Date(2026, 3, 1, 9, i, 0, 0, time.UTC),
		}
		require.NoError(t, store.Save(want))
		stored, err = api.TokenFile(path).Load()
		require.NoError(t, err)
		require.Equal(t, want, stored)
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left beside it")
}

// TestTokenFileThatCannotBeReplaced: what was there stays, and nothing else.
func TestTokenFileThatCannotBeReplaced(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "tokens.json")
	require.NoError(t, os.MkdirAll(filepath.Join(directory, "occupied"), 0o700))
	require.Error(t, api.TokenFile(directory).Save(api.Stored{RefreshToken: "refresh-1"}))
	entries, err := os.ReadDir(filepath.Dir(directory))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	_, err = api.TokenFile(directory).Load()
	require.Error(t, err)
	require.Error(t, api.TokenFile(filepath.Join(directory, "missing", "tokens.json")).Save(api.Stored{}))
}

func TestTokenFileThatIsDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"refresh_token":"canary`), 0o600))
	_, err := api.TokenFile(path).Load()
	require.EqualError(t, err, path+" is no token file: move it away and authorize crmsyncd again")
	cfg := newIssuer(t, true).oauth()
	cfg.Store = api.TokenFile(path)
	_, err = api.NewOAuth(cfg, api.DefaultConnection(), api.Options{})
	require.ErrorContains(t, err, "read the stored refresh token: ")
}

// TestTokenFileIsAlwaysWhole: whoever reads while it is replaced sees one version or the other.
func TestTokenFileIsAlwaysWhole(t *testing.T) {
	store := api.TokenFile(filepath.Join(t.TempDir(), "tokens.json"))
	require.NoError(t, store.Save(api.Stored{RefreshToken: "refresh"}))
	var writers sync.WaitGroup
	for range 2 {
		writers.Go(func() {
			for range 20 {
				require.NoError(t, store.Save(api.Stored{RefreshToken: "refresh"}))
			}
		})
	}
	for range 200 {
		stored, err := store.Load()
		require.NoError(t, err)
		require.Equal(t, "refresh", stored.RefreshToken)
	}
	writers.Wait()
}

func TestStoredDoesNotPrint(t *testing.T) {
	s := api.Stored{RefreshToken: "canary-1", AccessToken: "canary-2"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		require.Equal(t, "[tokens]", fmt.Sprintf(verb, s))
	}
	require.Equal(t, "[[tokens]]", fmt.Sprint([]api.Stored{s}))
}
