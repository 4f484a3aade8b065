package api_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/api"
)

func TestSize(t *testing.T) {
	var s api.Size
	require.NoError(t, s.UnmarshalText([]byte("64KiB")))
	require.Equal(t, api.Size(64<<10), s)
	text, err := s.MarshalText()
	require.NoError(t, err)
	require.Equal(t, "64 KiB", string(text))
	for _, wrong := range []string{"", "x", "-1", "9EiB"} {
		require.Error(t, s.UnmarshalText([]byte(wrong)))
	}
}
