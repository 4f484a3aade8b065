package api_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crmsyncd/crmsyncd/crm/api"
)

func TestUUID5(t *testing.T) {
	// What Python says: uuid.uuid5(uuid.NAMESPACE_URL, "http://example.com/").
	require.Equal(t, "0a300ee9-f9e4-5697-a51a-efc7fafaba67", api.UUID5("http://example.com/"))
	rapid.Check(t, func(t *rapid.T) {
		one, other := rapid.String().Draw(t, "one"), rapid.String().Draw(t, "other")
		require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, api.UUID5(one))
		require.Equal(t, one == other, api.UUID5(one) == api.UUID5(other))
	})
}
