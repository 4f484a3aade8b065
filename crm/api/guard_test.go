package api

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGuardAllows(t *testing.T) {
	strict := newGuard(false, []string{"https://crm.example.com", "not an address%"})
	for address, want := range map[string]bool{
		"93.184.216.34": true, "2606:2800:220:1::1": true, "64:ff9b::5db8:d822": true, "100.63.255.255": true,
		"127.0.0.1": false, "127.8.8.8": false, "::1": false, "::ffff:127.0.0.1": false, "0.0.0.0": false, "::": false,
		"10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "fc00::1": false, "fd00:ec2::254": false,
		"169.254.169.254": false, "::ffff:169.254.169.254": false, "fe80::1%eth0": false, "fec0::1": false,
		"100.64.0.1": false, "100.100.100.200": false, "198.18.0.1": false, "192.0.0.192": false, "0.1.2.3": false,
		"224.0.0.1": false, "239.1.1.1": false, "ff02::1": false, "240.0.0.1": false, "255.255.255.255": false,
		"168.63.129.16": false, "64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false, "2002:7f00:1::": false,
		"2002:a00:1::1": false,
	} {
		require.Equal(t, want, strict.allows(netip.MustParseAddr(address)), address)
		require.True(t, newGuard(true, nil).allows(netip.MustParseAddr(address)), address)
	}
}

func TestGuardAllowsWhatIsConfigured(t *testing.T) {
	g := newGuard(false, []string{"http://10.0.0.5:8080/api", "http://[fd00::7]/", "http://LOCALHOST:1"})
	for address, want := range map[string]bool{
		"10.0.0.5": true, "::ffff:10.0.0.5": true, "10.0.0.6": false, "fd00::7": true, "fd00::8": false,
		"127.0.0.1": true, "::1": true,
	} {
		require.Equal(t, want, g.allows(netip.MustParseAddr(address)), address)
	}
	require.False(t, newGuard(false, []string{"http://localhost.example.com"}).allows(netip.MustParseAddr("::1")))
}

// TestGuardOfProxies: the proxy of the environment is dialled wherever it stands, but no private address through it.
func TestGuardOfProxies(t *testing.T) {
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.String())
	}))
	t.Cleanup(proxy.Close)
	g := newGuard(false, []string{"http://crm.example.com"})
	g.proxy = func(*http.Request) (*url.URL, error) { return url.Parse(proxy.URL) }
	x := newExchanger(DefaultConnection(), g, Options{}.Filled())
	t.Cleanup(x.client.CloseIdleConnections)
	for address, allowed := range map[string]bool{
		"http://crm.example.com/a": true, "http://169.254.169.254/b": false, "http://[::1]/c": false,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
		require.NoError(t, err)
		_, err = x.exchange("find", r)
		if allowed {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, errPrivate)
	}
	require.Equal(t, []string{"http://crm.example.com/a"}, asked)
}
