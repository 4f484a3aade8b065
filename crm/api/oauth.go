package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm"
)

// OAuth says how access tokens are got: by a refresh token where one is configured or a Store keeps one, else by the
// password of a user where there is one, else by client credentials.
type OAuth struct {
	TokenURL, ClientID         string
	ClientSecret, RefreshToken secret.String
	// Username and Password are those of a user, for the grant "password". The refresh token that comes with a token is
	// used as long as it is taken, and not stored: the password brings another one.
	Username string
	Password secret.String
	// Scopes are asked for, separated by spaces. Params are further values of the request ("audience").
	Scopes []string
	Params map[string]string
	// Scheme stands before the token in the header Authorization. Empty: Bearer.
	Scheme string
	// Method of the request for a token. Empty: POST with a form; GET: with a query (Bitrix24).
	Method string
	// BaseURL reads the base URL from an answer with a token and checks that it is the CRM's. It must be https, unless
	// TokenURL is not. nil: it does not move.
	BaseURL func(raw map[string]any) (string, error)
	// Store keeps refresh tokens that rotate: a new one is durable before its access token is used. nil: they do not.
	Store TokenStore
	// RefreshOnlyWhenRefused leaves an access token in use until it is refused, whatever its lifetime.
	RefreshOnlyWhenRefused bool
}

// tokens are the Credentials of an OAuth. One fetch runs at a time; it outlives the caller who began it, because a
// refresh token that rotated would be lost with its answer.
type tokens struct {
	cfg       OAuth
	oauth     *clientcredentials.Config
	exchanger *exchanger
	rests     *rests
	logger    *slog.Logger
	now       func() time.Time

	mu      sync.Mutex
	current issued
	flight  *flight
	// origin tells from which configured refresh token the current one descends.
	origin string
	// unsaved is what the Store did not take yet. It is offered again before anything else is done.
	unsaved *issued
}

// issued is a token in use and what came with it.
type issued struct {
	token, refresh, base string
	// expires is the zero time where it is not known.
	expires time.Time
}

// flight is a fetch that several wait for.
type flight struct {
	done   chan struct{}
	access Access
	err    error
}

// NewOAuth returns Credentials that fetch tokens, with requests of the operation "token". It reads the Store and sends
// nothing. A token endpoint that asks to wait is left alone until then.
//
// A refused refresh token, a Store that fails and the like are crm.KindUnauthorized: nothing works before somebody has
// acted, and the error says how.
func NewOAuth(cfg OAuth, connection Connection, o Options) (Credentials, error) {
	o = o.Filled()
	if _, err := parseAddress(cfg.TokenURL); err != nil {
		return nil, fmt.Errorf("token_url: %w", err)
	}
	if cfg.ClientID == "" {
		return nil, errors.New("client_id: is missing")
	}
	t := &tokens{
		cfg: cfg, rests: newRests(o.Now), logger: o.Logger, now: o.Now,
		exchanger: newExchanger(connection, newGuard(connection.PrivateAddresses, []string{cfg.TokenURL}), o),
		oauth: &clientcredentials.Config{
			ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret.Reveal(), TokenURL: cfg.TokenURL, Scopes: cfg.Scopes,
		},
	}
	if t.refreshes() || cfg.Password.IsSet() {
		// Trying both styles, as the library does otherwise, might spend a refresh token twice.
		t.oauth.AuthStyle = oauth2.AuthStyleInParams
	}
	if cfg.RefreshToken.IsSet() {
		sum := sha256.Sum256([]byte(cfg.RefreshToken.Reveal()))
		t.current.refresh, t.origin = cfg.RefreshToken.Reveal(), hex.EncodeToString(sum[:8])
	}
	if err := t.load(); err != nil {
		return nil, err
	}
	return t, nil
}

// refreshes reports whether tokens come from a refresh token.
func (t *tokens) refreshes() bool { return t.cfg.RefreshToken.IsSet() || t.cfg.Store != nil }

// Access returns the token in use, or a fresh one where that is refused or about to end.
func (t *tokens) Access(ctx context.Context, refused string) (Access, error) {
	t.mu.Lock()
	if t.unsaved == nil && t.usable(t.current, refused) {
		defer t.mu.Unlock()
		return t.access(t.current), nil
	}
	f := t.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		t.flight = f
		go t.fly(context.WithoutCancel(ctx), f, refused) // close waits for it
	}
	t.mu.Unlock()
	select {
	case <-f.done:
		return f.access, f.err
	case <-ctx.Done():
		return Access{}, unanswered(ctx, tokenTitle, crm.KindTransient, ctx.Err())
	}
}

func (t *tokens) fly(ctx context.Context, f *flight, refused string) {
	f.err = t.renew(ctx, refused)
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.err == nil {
		f.access = t.access(t.current)
	}
	t.flight = nil
	close(f.done)
}

// usable reports whether a token can be sent.
func (t *tokens) usable(i issued, refused string) bool {
	const margin = 10 * time.Second // for the way to the CRM
	alive := i.expires.IsZero() || t.cfg.RefreshOnlyWhenRefused || t.now().Add(margin).Before(i.expires)
	return i.token != "" && i.token != refused && alive
}

func (t *tokens) access(i issued) Access {
	return Access{
		Header: "Authorization", Value: cmp.Or(t.cfg.Scheme, "Bearer") + " " + i.token, Token: i.token, BaseURL: i.base,
	}
}

func (t *tokens) addresses() []string { return []string{t.cfg.TokenURL} }

func (t *tokens) secrets() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := []string{
		t.cfg.ClientSecret.Reveal(), t.cfg.RefreshToken.Reveal(), t.cfg.Password.Reveal(), t.current.token,
		t.current.refresh, hostOf(t.current.base),
	}
	if t.unsaved != nil {
		all = append(all, t.unsaved.token, t.unsaved.refresh)
	}
	return all
}

func (t *tokens) close() {
	t.mu.Lock()
	f := t.flight
	t.mu.Unlock()
	if f != nil {
		<-f.done
	}
	t.exchanger.client.CloseIdleConnections()
}

// load takes over what the Store keeps, unless the operator has configured another refresh token since.
func (t *tokens) load() error {
	if t.cfg.Store == nil {
		return nil
	}
	stored, err := t.cfg.Store.Load()
	if err != nil {
		return fmt.Errorf("read the stored refresh token: %w", err)
	}
	if stored.RefreshToken == "" || t.cfg.RefreshToken.IsSet() && stored.Origin != t.origin {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.origin = stored.Origin
	t.current = issued{
		token: stored.AccessToken, refresh: stored.RefreshToken, base: stored.BaseURL, expires: stored.Expires,
	}
	return nil
}

// save makes a token durable.
func (t *tokens) save(i issued) error {
	return t.cfg.Store.Save(Stored{
		RefreshToken: i.refresh, AccessToken: i.token, Expires: i.expires, BaseURL: i.base, Origin: t.origin,
	})
}
