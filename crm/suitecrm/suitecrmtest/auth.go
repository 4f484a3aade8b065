package suitecrmtest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// How long tokens live.
const (
	tokenLife   = time.Hour
	refreshLife = 30 * 24 * time.Hour
)

// token answers POST access_token (RFC 6749), with a form or with JSON.
func (c *CRM) token(w http.ResponseWriter, r *http.Request) {
	sent := parameters(r)
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = sent.Get("client_id"), sent.Get("client_secret")
	}
	now := c.options.Now()
	own := "client_credentials"
	if c.options.PasswordGrant {
		own = "password"
	}
	grant := sent.Get("grant_type")
	switch {
	case grant != "client_credentials" && grant != "password" && grant != "refresh_token":
		deny(w, http.StatusBadRequest, "unsupported_grant_type",
			"The authorization grant type is not supported by the authorization server.")
		return
	case id != ClientID || secret != ClientSecret || grant != own && grant != "refresh_token":
		deny(w, http.StatusUnauthorized, "invalid_client", "Client authentication failed")
		return
	case grant == "password" && (sent.Get("username") != Username || sent.Get("password") != Password):
		deny(w, http.StatusUnauthorized, "invalid_credentials", "The user credentials were incorrect.")
		return
	case grant == "refresh_token" && !now.Before(c.refresh[sent.Get("refresh_token")]):
		deny(w, http.StatusUnauthorized, "invalid_request", "The refresh token is invalid.")
		return
	}
	delete(c.refresh, sent.Get("refresh_token")) // it is good for once
	c.lastID++
	issued := map[string]any{
		"token_type": "Bearer", "expires_in": int(tokenLife / time.Second),
		"access_token": "suitecrm-token-" + strconv.Itoa(c.lastID),
	}
	c.tokens[issued["access_token"].(string)] = now.Add(tokenLife)
	if c.options.PasswordGrant {
		refresh := "suitecrm-refresh-" + strconv.Itoa(c.lastID)
		c.refresh[refresh] = now.Add(refreshLife)
		issued["refresh_token"] = refresh
	}
	reply(w, http.StatusOK, issued)
}

// parameters reads what a request for a token says.
func parameters(r *http.Request) url.Values {
	if strings.Contains(r.Header.Get("Content-Type"), "json") {
		var sent map[string]string
		_ = json.NewDecoder(r.Body).Decode(&sent)
		values := url.Values{}
		for key, value := range sent {
			values.Set(key, value)
		}
		return values
	}
	_ = r.ParseForm()
	return r.PostForm
}

func deny(w http.ResponseWriter, status int, code, words string) {
	reply(w, status, map[string]any{"error": code, "error_description": words, "message": words})
}

// authorized reports whether a request carries a token that is good.
func (c *CRM) authorized(r *http.Request) bool {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return bearer && c.options.Now().Before(c.tokens[token])
}
