package api

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"
)

// errPrivate is why an address is not dialled.
var errPrivate = errors.New("the host has a private address: set private_addresses if it stands in your own network")

// guard keeps requests from going to addresses of one's own network that nobody configured: what a CRM names as its base
// URL, or what a name resolves to, is not in the operator's hand. It looks at the address that is dialled, so a name
// that resolves otherwise the second time gains nothing.
type guard struct {
	private   bool
	addresses map[netip.Addr]bool
	localhost bool
	proxy     func(*http.Request) (*url.URL, error)
	// proxies are the addresses of proxies seen: they are the operator's own choice.
	proxies sync.Map
}

// newGuard returns a guard that allows the addresses that stand literally in configured URLs.
func newGuard(private bool, configured []string) *guard {
	g := &guard{private: private, addresses: map[netip.Addr]bool{}, proxy: http.ProxyFromEnvironment}
	for _, address := range configured {
		u, err := url.Parse(address)
		if err != nil {
			continue
		}
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
			g.addresses[ip.Unmap().WithZone("")] = true
		}
		g.localhost = g.localhost || strings.EqualFold(u.Hostname(), "localhost")
	}
	return g
}

// allows reports whether an address may be dialled.
func (g *guard) allows(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return g.private || !isPrivate(ip) || g.addresses[ip] || g.localhost && ip.IsLoopback()
}

// proxyFor returns the proxy for a request, nil for none. Behind one only the proxy sees what a name resolves to, so
// what can be seen here is looked at.
func (g *guard) proxyFor(r *http.Request) (*url.URL, error) {
	proxy, err := g.proxy(r)
	if proxy == nil || err != nil {
		return nil, err
	}
	if ip, err := netip.ParseAddr(r.URL.Hostname()); err == nil && !g.allows(ip) {
		return nil, errPrivate
	}
	ports := map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}
	g.proxies.Store(net.JoinHostPort(proxy.Hostname(), cmp.Or(proxy.Port(), ports[proxy.Scheme])), true)
	return proxy, nil
}

// dialWith returns a function that dials with d where the guard allows it.
func (g *guard) dialWith(d *net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	guarded := *d
	guarded.Control = func(_, address string, _ syscall.RawConn) error {
		target, err := netip.ParseAddrPort(address)
		if err != nil || !g.allows(target.Addr()) {
			return errPrivate
		}
		return nil
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if _, isProxy := g.proxies.Load(address); isProxy {
			return d.DialContext(ctx, network, address)
		}
		return guarded.DialContext(ctx, network, address)
	}
}

// special are the networks that are not of the internet besides those that package netip knows (IANA's registries of
// special-purpose addresses), and 168.63.129.16, the metadata of Azure.
var special = [...]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("fec0::/10"),
	netip.MustParsePrefix("168.63.129.16/32"),
}

// nat64 and sixToFour are the networks whose addresses stand for one of IPv4.
var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour = netip.MustParsePrefix("2002::/16")
)

// isPrivate reports whether an address is none of the internet's. Addresses of IPv6 that stand for one of IPv4 are
// what that is.
func isPrivate(ip netip.Addr) bool {
	bytes := ip.As16()
	switch {
	case nat64.Contains(ip):
		return isPrivate(netip.AddrFrom4([4]byte(bytes[12:16])))
	case sixToFour.Contains(ip):
		return isPrivate(netip.AddrFrom4([4]byte(bytes[2:6])))
	}
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return true
	}
	for _, network := range special {
		if network.Contains(ip) {
			return true
		}
	}
	return false
}
