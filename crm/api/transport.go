package api

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Bounds of the connections. The idle ones serve the next requests without a new handshake; those of HTTP/2 are asked
// now and then whether they still live, for a dead one would let every request time out.
const (
	maxIdleConnections = 32
	idleTimeout        = 90 * time.Second
	pingAfter          = 30 * time.Second
	pingTimeout        = 10 * time.Second
	maxHeaderBytes     = 64 << 10
	// maxDrain is how much of an answer that is not wanted is read so that its connection can be used again.
	maxDrain = 4 << 10
)

// exchanger sends requests over its own connections and reads the answers. It follows no redirect: a write must not go
// elsewhere, and credentials neither.
type exchanger struct {
	client   *http.Client
	limit    int64
	observer Observer
	now      func() time.Time
}

// newExchanger returns an exchanger that dials what g allows. o is filled.
func newExchanger(c Connection, g *guard, o Options) *exchanger {
	c = c.filled()
	dialer := &net.Dialer{Timeout: c.ConnectTimeout}
	client := &http.Client{
		Timeout: c.Timeout,
		Transport: &http.Transport{
			Proxy: g.proxyFor, DialContext: g.dialWith(dialer), ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: c.ConnectTimeout, IdleConnTimeout: idleTimeout, MaxIdleConns: maxIdleConnections,
			MaxIdleConnsPerHost: maxIdleConnections, MaxResponseHeaderBytes: maxHeaderBytes,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
			HTTP2:           &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		},
		CheckRedirect: noRedirect,
	}
	return &exchanger{client: client, limit: int64(c.MaxResponse), observer: o.Observer, now: o.Now}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// exchange sends hr and reads the answer. An error of a status below 300 is one of the connection; above, the status
// says enough and what came of the body is kept.
func (x *exchanger) exchange(operation string, hr *http.Request) (Answer, error) {
	began := x.now()
	response, err := x.client.Do(hr) //nolint:gosec // the guard looks at every address
	if err != nil {
		x.observer.Requested(operation, "error", x.now().Sub(began))
		return Answer{}, err
	}
	defer func() {
		_, _ = io.CopyN(io.Discard, response.Body, maxDrain)
		_ = response.Body.Close()
	}()
	a := Answer{Status: response.StatusCode, Header: response.Header}
	a.Body, err = io.ReadAll(io.LimitReader(response.Body, x.limit+1))
	if int64(len(a.Body)) > x.limit {
		a.Body, a.Cut, err = a.Body[:x.limit], true, nil
	}
	x.observer.Requested(operation, statusClass(a.Status, err), x.now().Sub(began))
	if a.Status >= http.StatusMultipleChoices {
		err = nil
	}
	return a, err
}

// statusClass names the class of an answer, a label of metrics.
func statusClass(status int, err error) string {
	switch {
	case err != nil:
		return "error"
	case status == http.StatusTooManyRequests:
		return "429"
	default:
		return strconv.Itoa(status/100) + "xx"
	}
}
