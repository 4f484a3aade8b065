package configs_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crmsyncd/crmsyncd/configs"
)

func TestBytesText(t *testing.T) {
	for text, want := range map[string]configs.Bytes{
		"0": 0, "1": 1, "1B": 1, "1023": 1023, "64KiB": 65536, "64 KiB": 65536, "64kib": 65536, "1kB": 1000,
		"1.5MiB": 3 << 19, "8GiB": 8 << 30, "3TiB": 3 << 40,
	} {
		var got configs.Bytes
		require.NoError(t, got.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "KiB", "-1", "1 parsec", "64Ki B", "16EiB", "99999999999999999999999"} {
		got := configs.Bytes(7)
		require.Error(t, got.UnmarshalText([]byte(text)), text)
		require.Equal(t, configs.Bytes(7), got, "a refused text changes nothing")
	}
	for want, size := range map[string]configs.Bytes{
		"0B": 0, "1B": 1, "1025B": 1025, "1KiB": configs.KiB, "1536KiB": 3 << 19, "8GiB": 8 * configs.GiB,
		"2TiB": 2 * configs.TiB,
	} {
		require.Equal(t, want, size.String())
	}
}

func TestBytesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Sizes above 2^53 lose their last digits on the way through a number with a fraction; none of ours is near.
		want := configs.Bytes(rapid.Int64Range(0, 1<<53).Draw(t, "size"))
		text, err := want.MarshalText()
		require.NoError(t, err)
		var got configs.Bytes
		require.NoError(t, got.UnmarshalText(text))
		require.Equal(t, want, got)
	})
	require.NotPanics(t, func() { _ = configs.Bytes(math.MinInt64).String() })
}
