package odoo

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// What to do about errors that concern everything.
const (
	newKey = "API keys live for three months at most; make a new one under Preferences > Account Security and put it " +
		"into token_file, then restart"
	rightNames = "run crmsyncd check: it names what the configuration asks for and Odoo does not have"
)

// throttleWait is how long to wait where the proxy that throttles (429) does not say.
const throttleWait = 10 * time.Second

// fault is an exception as Odoo tells it.
type fault struct {
	Name    string `json:"name"`
	Message string `json:"message"`
}

// judge reads an answer. JSON-2 tells an exception with the status that fits it, JSON-RPC with status 200.
func judge(r api.Request, a api.Answer) *crm.Error {
	e := api.Judge(r, a)
	var f fault
	switch {
	case e != nil:
		_ = json.Unmarshal(a.Body, &f) // what is of another form comes from a proxy
	case r.Path == rpcPath:
		var answer struct{ Error *struct{ Data fault } }
		if json.Unmarshal(a.Body, &answer) != nil || answer.Error == nil {
			return nil
		}
		f, e = answer.Error.Data, &crm.Error{Kind: crm.KindTransient}
	default:
		return nil
	}
	advice := ""
	switch {
	case a.Status == http.StatusTooManyRequests && a.Header.Get("Retry-After") == "":
		e.RetryAfter = throttleWait
	case f.Name != "":
		e.Kind, advice = f.kind(e.Kind)
	case a.Status == http.StatusNotFound:
		e.Kind, advice = crm.KindUnauthorized, "Odoo does not know the path: are base_url and database right?"
	}
	e.Message = strings.Trim(f.Message+": "+advice, ": ")
	if e.Kind == crm.KindInvalid && r.Effect == api.Reads {
		e.Kind = crm.KindForbidden // the question is wrong: no fault of the call
	}
	return e
}

// kind classifies an exception, which took everything back, and says what to do about one that concerns everything. The
// given kind is that of the status.
func (f fault) kind(given crm.Kind) (kind crm.Kind, advice string) {
	says := func(words string) bool { return strings.Contains(f.Message, words) }
	database := strings.HasPrefix(f.Name, "psycopg")
	switch f.Name[strings.LastIndexByte(f.Name, '.')+1:] {
	case "AccessDenied", "SessionExpiredException", "Unauthorized":
		return crm.KindUnauthorized, newKey
	case "NotFound", "KeyError":
		return crm.KindUnauthorized, rightNames
	case "AccessError":
		return crm.KindForbidden, ""
	case "MissingError":
		return crm.KindGone, ""
	case "UserError", "ValidationError", "RedirectWarning":
		if strings.HasPrefix(f.Message, "Object ") && says("exist") { // before 17: an unknown model
			return crm.KindUnauthorized, rightNames
		}
		return crm.KindInvalid, ""
	}
	switch {
	case says("Invalid field"), database && says("does not exist"):
		return crm.KindUnauthorized, rightNames
	case database, given == crm.KindInDoubt, given == crm.KindExists:
		return crm.KindTransient, ""
	default:
		return given, ""
	}
}
