package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/gin-gonic/gin"
)

// survive answers a panic with a 500. The value of a panic may carry what came in from outside, so only errors of the
// runtime are logged with their text, others with their type.
func (s *server) survive(c *gin.Context) {
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		if err, ok := value.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(value)
		}
		text := fmt.Sprintf("%T", value)
		if err, ok := value.(runtime.Error); ok {
			text = err.Error()
		}
		s.Logger.ErrorContext(c.Request.Context(), "admin request panicked", "route", c.FullPath(), "panic", text,
			"stack", string(debug.Stack()))
		if c.Writer.Written() {
			c.Abort()
			return
		}
		refuse(c, http.StatusInternalServerError, "internal", "the request could not be handled, the log says more")
	}()
	c.Next()
}

// secureHeaders sets what every answer carries; the console loosens the policy for its own pages.
func secureHeaders(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

// guard lets in who may. See the package documentation.
func (s *server) guard(c *gin.Context) {
	if s.Token.IsSet() {
		if !s.carriesToken(c.Request) {
			c.Writer.Header().Add("WWW-Authenticate", `Bearer realm="crmsyncd"`)
			c.Writer.Header().Add("WWW-Authenticate", `Basic realm="crmsyncd", charset="UTF-8"`)
			refuse(c, http.StatusUnauthorized, "unauthorized", "the admin token is missing or wrong")
			return
		}
	} else if !loopback(c.Request.RemoteAddr) {
		refuse(c, http.StatusForbidden, "not_local", "without an admin token only this machine is served")
		return
	} else if !loopback(c.Request.Host) {
		refuse(c, http.StatusForbidden, "wrong_host", "the Host header must name this machine: localhost or 127.0.0.1")
		return
	}
	if err := s.origin.Check(c.Request); err != nil {
		refuse(c, http.StatusForbidden, "cross_origin", "a change must not come from another site's page")
		return
	}
	c.Next()
}

// carriesToken compares hashes, so that the time taken tells neither the token nor its length.
func (s *server) carriesToken(r *http.Request) bool {
	_, given, isBasic := r.BasicAuth()
	if !isBasic {
		scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return false
		}
		given = strings.TrimSpace(rest)
	}
	hash := sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(hash[:], s.tokenHash[:]) == 1
}

// loopback reports whether an address or a Host header, with or without a port, names this machine.
func loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
