package getfly

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// judge reads an answer. Getfly documents none, so a success that carries the signs of an error is one, and words about
// the secret are a matter of the credentials.
func judge(r api.Request, a api.Answer) *crm.Error {
	var said struct {
		Code, Status, Success, Error, Errors, Message any
	}
	body := bytes.TrimSpace(a.Body)
	_ = json.Unmarshal(body, &said) // a list or a text says nothing of this
	e := api.Judge(r, a)
	number := func(v any) int {
		n, _ := strconv.Atoi(fmt.Sprint(v))
		return n
	}
	switch {
	case a.Status == http.StatusNotFound:
		e.Kind, e.Message = crm.KindTransient, "Getfly does not know the path: is base_url the address of the CRM?"
	case e != nil:
	case len(body) == 0:
	case !json.Valid(body):
		e = &crm.Error{Kind: crm.KindTransient, Message: "the answer is a page, not data"}
		if r.Effect == api.Creates {
			e.Kind = crm.KindInDoubt
		}
	case number(said.Code) == http.StatusUnauthorized, number(said.Status) == http.StatusUnauthorized:
		e = &crm.Error{Kind: crm.KindUnauthorized}
	case number(said.Code) >= 400, number(said.Status) >= 400, said.Success == false, said.Status == false,
		says(said.Error), says(said.Errors):
		e = &crm.Error{Kind: crm.KindInvalid}
	}
	words := strings.ToLower(fmt.Sprint(said.Message))
	ours := strings.Contains(words, "secret") || strings.Contains(words, "provider_code")
	if e != nil && (e.Kind == crm.KindInvalid || e.Kind == crm.KindForbidden) && ours {
		e.Kind = crm.KindUnauthorized // of every call
	}
	return e
}

// says reports whether a member of an answer speaks of an error.
func says(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return !slices.Contains([]string{"", "0", "false"}, v)
	case float64:
		return v != 0
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	default:
		return true
	}
}
