package bitrix24test

import (
	"fmt"
	"net/http"
	"time"
)

// tokens are those that are taken: one refresh token, which every use replaces, and access tokens with their ends.
type tokens struct {
	refresh string
	made    int
	access  map[string]time.Time
}

// ExpireTokens lets all access tokens end now.
func (c *CRM) ExpireTokens() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for token := range c.oauth.access {
		c.oauth.access[token] = c.o.Now()
	}
}

// RefreshToken returns the refresh token that counts.
func (c *CRM) RefreshToken() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.oauth.refresh
}

// serveToken is the authorization server, oauth.bitrix.info. The answer names the address of the portal.
func (c *CRM) serveToken(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests["token"]++
	asked := r.URL.Query()
	refuse := func(code, words string) {
		c.reply(w, http.StatusBadRequest, object{"error": code, "error_description": words})
	}
	switch {
	case r.Method != http.MethodGet || asked.Get("grant_type") != "refresh_token":
		refuse("invalid_request", "Wrong grant type")
	case asked.Get("client_id") != ClientID || asked.Get("client_secret") != ClientSecret:
		refuse("invalid_client", "Invalid client")
	case asked.Get("refresh_token") != c.oauth.refresh:
		refuse("invalid_grant", "Invalid grant")
	default:
		c.oauth.made++
		c.oauth.refresh = fmt.Sprintf("canary-refresh-token-%d", c.oauth.made)
		access := fmt.Sprintf("canary-access-token-%d", c.oauth.made)
		c.oauth.access[access] = c.o.Now().Add(c.o.TokenLife)
		c.reply(w, http.StatusOK, object{
			"access_token": access, "refresh_token": c.oauth.refresh, "expires_in": int(c.o.TokenLife.Seconds()),
			"client_endpoint": "http://" + r.Host + "/rest/", "server_endpoint": "https://oauth.bitrix.info/rest/",
			"domain": "oauth.bitrix.info", "member_id": "a223c6b3710f85df22e9377d6c4f7553", "scope": "app", "status": "L",
		})
	}
}
