package odootest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// fault is an exception: its class, its words, and the status with which JSON-2 tells it.
type fault struct {
	status        int
	name, message string
}

func validation(format string, args ...any) *fault {
	return &fault{http.StatusUnprocessableEntity, "odoo.exceptions.ValidationError", fmt.Sprintf(format, args...)}
}

func broken(class, format string, args ...any) *fault {
	return &fault{http.StatusInternalServerError, class, fmt.Sprintf(format, args...)}
}

// body is how Odoo tells an exception.
func (f *fault) body() map[string]any {
	return map[string]any{
		"name": f.name, "message": f.message, "arguments": []any{f.message}, "context": map[string]any{},
		"debug": "Traceback (most recent call last): …",
	}
}

// Refusal returns an exception as JSON-2 tells it.
func Refusal(status int, name, message string) crmtest.Answer {
	return answer(status, (&fault{status, name, message}).body())
}

// RPCRefusal returns an exception as JSON-RPC tells it: with status 200.
func RPCRefusal(name, message string) crmtest.Answer {
	return answer(http.StatusOK, rpcError(&fault{0, name, message}))
}

func rpcError(f *fault) map[string]any {
	code, words := 0, "Odoo Server Error"
	if strings.HasSuffix(f.name, ".SessionExpiredException") {
		code, words = 100, "Odoo Session Expired"
	}
	return map[string]any{"jsonrpc": "2.0", "id": 1, "error": map[string]any{
		"code": code, "message": words, "data": f.body(),
	}}
}

func answer(status int, body any) crmtest.Answer {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return crmtest.Answer{
		Status: status, Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}, Body: string(text),
	}
}

// ServeHTTP answers a request as Odoo does.
func (c *CRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	c.mu.Lock()
	a := c.answer(r, body)
	c.mu.Unlock()
	crmtest.Say(a)(w, r, nil)
}

// page is what the website answers for a path that it does not know.
var page = crmtest.Answer{
	Status: http.StatusNotFound, Header: http.Header{"Content-Type": {"text/html; charset=utf-8"}},
	Body: "<!DOCTYPE html><html><title>404 Not Found</title></html>",
}

func (c *CRM) answer(r *http.Request, body []byte) crmtest.Answer {
	modern := c.major() >= 19
	switch path := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/"); {
	case r.URL.Path == "/web/version" && r.Method == http.MethodGet && modern:
		c.requests["version"]++
		return answer(http.StatusOK, map[string]any{
			"version_info": []any{c.major(), 0, 0, "final", 0, ""}, "version": c.options.Version,
		})
	case r.URL.Path == "/web/version":
		c.requests["version"]++
		return page
	case r.URL.Path == "/jsonrpc" && r.Method == http.MethodPost:
		return c.rpc(r, body)
	case modern && len(path) == 4 && path[0] == "json" && path[1] == "2" && r.Method == http.MethodPost:
		return c.json2(r, path[2], path[3], body)
	}
	c.requests["other"]++
	return page
}

// json2 answers POST /json/2/{model}/{method}.
func (c *CRM) json2(r *http.Request, model, method string, body []byte) crmtest.Answer {
	var arguments map[string]any
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		return page
	case r.Header.Get("X-Odoo-Database") != "" && r.Header.Get("X-Odoo-Database") != Database:
		return page
	case !strings.EqualFold(scheme, "bearer") || key != APIKey:
		return Refusal(http.StatusUnauthorized, "werkzeug.exceptions.Unauthorized", "Invalid apikey")
	case json.Unmarshal(body, &arguments) != nil:
		return Refusal(http.StatusBadRequest, "werkzeug.exceptions.BadRequest", "could not parse the body as json")
	}
	result, f := c.invoke(model, method, arguments)
	if f != nil {
		return Refusal(f.status, f.name, f.message)
	}
	return answer(http.StatusOK, result)
}

// rpc answers POST /jsonrpc.
func (c *CRM) rpc(r *http.Request, body []byte) crmtest.Answer {
	var request struct {
		JSONRPC string
		Params  struct {
			Service, Method string
			Args            []any
		}
	}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") || json.Unmarshal(body, &request) != nil {
		return crmtest.Answer{Status: http.StatusBadRequest, Body: "Invalid JSON data"}
	}
	args := request.Params.Args
	var result any
	var f *fault
	switch {
	case request.Params.Service == "common" && request.Params.Method == "authenticate" && len(args) == 4:
		c.requests["token"]++
		f = c.database(args[0])
		result = false
		if args[1] == Login && args[2] == APIKey {
			result = 2
		}
	case request.Params.Service == "object" && request.Params.Method == "execute_kw" && len(args) == 7:
		if f = c.database(args[0]); f == nil {
			result, f = c.execute(args)
		}
	default:
		f = broken("builtins.TypeError", "dispatch() takes other arguments")
	}
	if f != nil {
		return answer(http.StatusOK, rpcError(f))
	}
	return answer(http.StatusOK, map[string]any{"jsonrpc": "2.0", "id": 1, "result": result})
}

func (c *CRM) database(name any) *fault {
	if name == Database {
		return nil
	}
	return broken("psycopg2.OperationalError", `connection to server failed: FATAL:  database "%v" does not exist`, name)
}

// execute runs execute_kw(db, uid, key, model, method, args, kw).
func (c *CRM) execute(args []any) (any, *fault) {
	model, _ := args[3].(string)
	method, _ := args[4].(string)
	positional, _ := args[5].([]any)
	named, _ := args[6].(map[string]any)
	if args[1] != float64(2) || args[2] != APIKey {
		return nil, &fault{http.StatusForbidden, "odoo.exceptions.AccessDenied", "Access Denied"}
	}
	if c.models[model] == nil {
		return nil, &fault{0, "odoo.exceptions.UserError", "Object " + model + " doesn't exist"}
	}
	if method == "create" {
		if len(positional) != 1 {
			return nil, broken("builtins.IndexError", "list index out of range")
		}
		named["vals_list"] = positional[0]
	} else if len(positional) > 0 {
		return nil, broken("builtins.TypeError", "the fake takes arguments by name only")
	}
	return c.invoke(model, method, named)
}

// invoke calls a public method with named arguments, in a transaction.
func (c *CRM) invoke(model, method string, arguments map[string]any) (any, *fault) {
	c.requests[c.operation(model, method)]++
	if c.models[model] == nil {
		return nil, &fault{
			http.StatusNotFound, "werkzeug.exceptions.NotFound", "the model '" + model + "' does not exist",
		}
	}
	known := map[string][]string{
		"search_read": {"domain", "fields", "offset", "limit", "order"}, "fields_get": {"allfields", "attributes"},
		"load": {"fields", "data"}, "create": {"vals_list"}, "has_access": {"operation"},
		"check_access_rights": {"operation", "raise_exception"},
	}[method]
	if known == nil || c.major() >= 19 && method == "check_access_rights" || c.major() < 18 && method == "has_access" {
		return nil, &fault{
			http.StatusNotFound, "werkzeug.exceptions.NotFound", "The method '" + model + "." + method + "' does not exist",
		}
	}
	for name := range arguments {
		if name != "context" && !slices.Contains(known, name) {
			return nil, &fault{
				http.StatusUnprocessableEntity, "werkzeug.exceptions.UnprocessableEntity",
				"got an unexpected keyword argument '" + name + "'",
			}
		}
	}
	switch method {
	case "search_read":
		return c.searchRead(model, arguments)
	case "fields_get":
		return c.fieldsGet(model), nil
	case "create":
		return c.create(model, arguments)
	case "load":
		return c.load(model, arguments)
	default:
		return !slices.Contains(c.options.Denied, model+" "+fmt.Sprint(arguments["operation"])), nil
	}
}

// operation names a request for Requests.
func (c *CRM) operation(model, method string) string {
	switch {
	case method == "fields_get" || method == "has_access" || method == "check_access_rights":
		return "describe"
	case strings.HasPrefix(model, "ir."):
		return "setup"
	case model == c.calls && method == "load":
		return "write"
	case model == c.calls:
		return "find_log"
	case model == "res.users":
		return "find_user"
	case method == "create":
		return "create_contact"
	default:
		return "find"
	}
}
