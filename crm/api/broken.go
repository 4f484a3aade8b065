package api

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"

	"github.com/crmsyncd/crmsyncd/crm"
)

// brokenError says why there is no answer, without the address that the errors of net carry. It unwraps to one of a few
// errors without a text of their own.
type brokenError struct {
	text  string
	cause error
}

func (e *brokenError) Error() string { return e.text }
func (e *brokenError) Unwrap() error { return e.cause }

// unanswered returns the error of a request that got no answer that can be read. Where ctx ended, that is the reason.
func unanswered(ctx context.Context, title string, kind crm.Kind, err error) *crm.Error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return &crm.Error{Kind: kind, Op: title, Err: broken(err)}
}

// broken names the cause of a transport's error.
func broken(err error) *brokenError {
	for _, known := range []struct {
		cause error
		text  string
	}{
		{context.Canceled, "it was cancelled"},
		{context.DeadlineExceeded, "no answer in time"},
		{errPrivate, errPrivate.Error()},
		{syscall.ECONNREFUSED, "the connection was refused"},
		{syscall.ECONNRESET, "the connection was reset"},
		{syscall.EPIPE, "the connection was closed"},
		{syscall.EHOSTUNREACH, "there is no way to the host"},
		{syscall.ENETUNREACH, "there is no way to the network"},
		{io.ErrUnexpectedEOF, "the answer ended early"},
		{io.EOF, "the connection was closed without an answer"},
	} {
		if errors.Is(err, known.cause) {
			return &brokenError{known.text, known.cause}
		}
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return &brokenError{"no answer in time", context.DeadlineExceeded}
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return &brokenError{"the name of the host cannot be resolved", nil}
	}
	return &brokenError{tlsProblem(err), nil}
}

// tlsProblem says what is wrong with the certificate of a server, or that it is something else.
func tlsProblem(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the certificate is signed by an authority that this machine does not trust"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the certificate is not for the host of base_url"
	}
	if _, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return "the certificate is not valid, or not any more"
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return "the server does not speak TLS at this address"
	}
	return "the connection broke"
}
