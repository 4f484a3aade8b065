package rest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// number returns an id as a JSON number.
func number(id string) json.Number { return json.Number(id) }

// newCorteza answers as Corteza 2024.9 does: always 200, with ids of 18 digits.
func newCorteza() *fake {
	f := newFake("", "", nil)
	f.lastID = 412345678901234000
	fail := func(w http.ResponseWriter, message string) {
		reply(w, 200, object{"error": object{"message": message}})
	}
	modules := map[string]string{"10": leads, "20": calls}
	columns := map[string]string{transactionID: transactionID, phone: phone, callID: callID}
	convert := func(r row) object {
		values := []object{}
		for column := range columns {
			values = append(values, object{"name": column, "value": r[column]})
		}
		return object{"recordID": r["id"], "ownedBy": r[owner], "values": values}
	}
	read := func(r *http.Request) row {
		b := body(r)
		values := row{owner: text(b["ownedBy"])}
		list, _ := b["values"].([]any)
		for _, v := range list {
			column := map[string]string{"call_id": callID, "lead": record, "recording": recording}[text(v.(object)["name"])]
			values[column] = text(v.(object)["value"])
		}
		return values
	}
	guard := func(next http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			switch r.Header.Get("Authorization") {
			case "":
				fail(w, "unauthorized access to compose")
			case "Bearer " + f.token():
				next(w, r)
			default:
				reply(w, 500, object{"error": object{"message": "token is not valid"}})
			}
		}
	}
	const base = "/api/compose/namespace/1/module/{module}/record/"
	f.mux.HandleFunc("POST /auth/oauth2/token", func(w http.ResponseWriter, r *http.Request) {
		if id, secret, _ := r.BasicAuth(); id != "crmsyncd" || secret != canary {
			reply(w, 401, object{"error": "invalid_client"})
			return
		}
		f.add("tokens", row{})
		reply(w, 200, object{"access_token": f.token(), "token_type": "Bearer", "expires_in": 7200})
	})
	f.mux.HandleFunc("GET "+base, guard(func(w http.ResponseWriter, r *http.Request) {
		field, value, _ := strings.Cut(r.URL.Query().Get("query"), " = ")
		column, known := columns[field]
		if !known {
			fail(w, "unknown field "+field)
			return
		}
		found := f.find(modules[r.PathValue("module")], column, strings.Trim(value, "'"))
		reply(w, 200, object{"response": object{"set": mapped(found, convert)}})
	}))
	f.mux.HandleFunc("POST "+base, guard(func(w http.ResponseWriter, r *http.Request) {
		values := read(r)
		if twins := f.find(calls, callID, values[callID]); len(twins) > 0 {
			reply(w, 200, object{"error": object{"message": "duplicate", "details": []object{
				{"kind": "duplication_error", "meta": object{"recordID": twins[0]["id"]}},
			}}})
			return
		}
		reply(w, 200, object{"response": convert(f.add(calls, values))})
	}))
	f.mux.HandleFunc("POST "+base+"{id}", guard(func(w http.ResponseWriter, r *http.Request) {
		if changed, found := f.change(r.PathValue("id"), read(r), true); found {
			reply(w, 200, object{"response": convert(changed)})
			return
		}
		fail(w, "compose.record: record not found")
	}))
	return f
}

// token is the one that was given out last; forgetting the tokens makes it another.
func (f *fake) token() string {
	issued := f.find("tokens", "", "")
	if len(issued) == 0 {
		return "none"
	}
	return "token-" + issued[len(issued)-1]["id"]
}

func cortezaRefusals() []crmtest.Refusal {
	exists := `{"error":{"message":"duplicate","details":[
		{"kind":"duplication_error","meta":{"recordID":"412345678901234999"}}]}}`
	return []crmtest.Refusal{
		of(says("validation", crmtest.Create, 200, `{"error":{"message":"invalid value for field start"}}`), crm.KindInvalid),
		of(says("duplicate", crmtest.Create, 200, exists), crm.KindExists),
		of(says("missing", crmtest.Update, 200, `{"error":{"message":"record not found"}}`), crm.KindGone),
		of(says("no token", crmtest.Find, 200, `{"error":{"message":"unauthorized"}}`), crm.KindUnauthorized),
		of(says("no such field", crmtest.Find, 200, `{"error":{"message":"unknown field x"}}`), crm.KindInvalid),
	}
}

// newRT answers as Request Tracker 5 does.
func newRT() *fake {
	f := newFake("Authorization", "token "+canary, answering(401, object{"message": "Unauthorized"}))
	missing := answering(404, object{"message": "Not found"})
	ticket := func(r row) object {
		return object{"id": r["id"], "type": "ticket", "Owner": object{"id": r[owner]}, "CustomFields": []object{
			{"name": "TransactionID", "values": []string{r[transactionID]}},
			{"name": "Phone", "values": []string{r[phone]}},
			{"name": "CallID", "values": []string{r[callID]}},
		}}
	}
	read := func(r *http.Request) row {
		b := body(r)
		fields, _ := b["CustomFields"].(object)
		return row{
			callID: text(fields["CallID"]), record: text(b["RefersTo"]), recording: text(fields["Recording"]),
			owner: strings.ReplaceAll(text(b["Owner"]), "Nobody", ""),
		}
	}
	f.mux.HandleFunc("GET /REST/2.0/tickets", func(w http.ResponseWriter, r *http.Request) {
		queue, condition, _ := strings.Cut(r.URL.Query().Get("query"), " AND ")
		field, value, _ := strings.Cut(condition, " = ")
		column := map[string]string{
			"CF.{TransactionID}": transactionID, "CF.{Phone}": phone, "CF.{CallID}": callID,
		}[field]
		table := strings.ToLower(strings.Trim(strings.TrimPrefix(queue, "Queue = "), "'"))
		found := []row{}
		if column != "" {
			found = f.find(table, column, strings.Trim(value, "'"))
		}
		reply(w, 200, object{"total": len(found), "items": mapped(found, ticket)})
	})
	f.mux.HandleFunc("POST /REST/2.0/ticket", func(w http.ResponseWriter, r *http.Request) {
		values := read(r)
		if strings.HasPrefix(values[callID], "dropped") {
			values[callID] = "" // a value that it does not like
		}
		made := f.add(calls, values)
		w.Header().Set("Location", "http://"+r.Host+"/REST/2.0/ticket/"+made["id"])
		reply(w, 201, object{"id": made["id"], "type": "ticket"})
	})
	f.mux.HandleFunc("PUT /REST/2.0/ticket/{id}", func(w http.ResponseWriter, r *http.Request) {
		if _, found := f.change(r.PathValue("id"), read(r), false); !found {
			missing(w, r)
			return
		}
		reply(w, 200, []string{})
	})
	f.mux.HandleFunc("GET /REST/2.0/ticket/{id}", func(w http.ResponseWriter, r *http.Request) {
		found := f.find(calls, "id", r.PathValue("id"))
		if len(found) == 0 {
			missing(w, r)
			return
		}
		reply(w, 200, ticket(found[0]))
	})
	return f
}

func rtRefusals() []crmtest.Refusal {
	return []crmtest.Refusal{
		of(says("validation", crmtest.Create, 422, `{"message":"Queue not set"}`), crm.KindInvalid),
		of(says("refused change", crmtest.Update, 200, `["Owner could not be set to x: No permission"]`), crm.KindInvalid),
		of(says("wrong token", crmtest.Create, 401, `{"message":"Unauthorized"}`), crm.KindUnauthorized),
		of(says("missing", crmtest.Update, 404, `{"message":"Not found"}`), crm.KindGone),
	}
}

// directusError is an error of Directus.
func directusError(code string) object {
	return object{"errors": []object{{"message": "Something about " + code, "extensions": object{"code": code}}}}
}

// newDirectus answers as Directus 12 does; call_id is unique there.
func newDirectus() *fake {
	f := newFake("Authorization", "Bearer "+canary, answering(401, directusError("INVALID_CREDENTIALS")))
	tables := map[string]string{"leads": leads, "calls": calls}
	convert := func(r row) object {
		return object{
			"id": number(r["id"]), "transaction_id": r[transactionID], "phone": r[phone], "call_id": r[callID],
			"owner": r[owner],
		}
	}
	read := func(r *http.Request) row {
		b := body(r)
		return row{
			callID: text(b["call_id"]), record: text(b["lead"]), owner: text(b["owner"]), recording: text(b["recording"]),
		}
	}
	f.mux.HandleFunc("GET /items/{table}", func(w http.ResponseWriter, r *http.Request) {
		for _, column := range []string{transactionID, phone, callID} {
			if parameter := "filter[" + column + "][_eq]"; r.URL.Query().Has(parameter) {
				found := f.find(tables[r.PathValue("table")], column, r.URL.Query().Get(parameter))
				reply(w, 200, object{"data": mapped(found, convert)})
				return
			}
		}
		reply(w, 403, directusError("FORBIDDEN"))
	})
	f.mux.HandleFunc("POST /items/calls", func(w http.ResponseWriter, r *http.Request) {
		values := read(r)
		if len(f.find(calls, callID, values[callID])) > 0 {
			reply(w, 400, directusError("RECORD_NOT_UNIQUE"))
			return
		}
		reply(w, 200, object{"data": convert(f.add(calls, values))})
	})
	f.mux.HandleFunc("PATCH /items/calls/{id}", func(w http.ResponseWriter, r *http.Request) {
		if changed, found := f.change(r.PathValue("id"), read(r), false); found {
			reply(w, 200, object{"data": convert(changed)})
			return
		}
		reply(w, 403, directusError("FORBIDDEN"))
	})
	return f
}

func directusRefusals() []crmtest.Refusal {
	throttled := of(says("rate limiter", crmtest.Create, 429,
		`{"errors":[{"message":"Too many","extensions":{"code":"REQUESTS_EXCEEDED","reset":1000}}]}`), crm.KindThrottled)
	throttled.Answer.Header = http.Header{"Retry-After": {"1"}}
	throttled.RetryAfter = time.Second
	code := func(code string) string { return `{"errors":[{"message":"no","extensions":{"code":"` + code + `"}}]}` }
	return []crmtest.Refusal{
		throttled,
		of(says("validation", crmtest.Create, 400, code("FAILED_VALIDATION")), crm.KindInvalid),
		of(says("duplicate", crmtest.Create, 400, code("RECORD_NOT_UNIQUE")), crm.KindExists),
		of(says("missing or forbidden", crmtest.Update, 403, code("FORBIDDEN")), crm.KindGone),
		of(says("no key", crmtest.Find, 403, code("FORBIDDEN")), crm.KindForbidden),
		of(says("wrong key", crmtest.Find, 401, code("INVALID_CREDENTIALS")), crm.KindUnauthorized),
	}
}

// newNocoDB answers as NocoDB 0.301 does.
func newNocoDB() *fake {
	f := newFake("xc-token", canary, answering(401, object{"error": "UNAUTHORIZED", "message": "Invalid token"}))
	read := func(b object) row {
		return row{
			callID: text(b["call_id"]), record: text(b["lead"]), owner: text(b["owner"]), recording: text(b["recording"]),
		}
	}
	f.mux.HandleFunc("GET /api/v2/tables/{table}/records", func(w http.ResponseWriter, r *http.Request) {
		condition := strings.Split(strings.Trim(r.URL.Query().Get("where"), "()"), ",")
		if len(condition) != 3 || condition[0] != transactionID && condition[0] != phone && condition[0] != callID {
			reply(w, 422, object{"msg": "Column 'x' not found"})
			return
		}
		found := f.find(r.PathValue("table"), condition[0], condition[2])
		reply(w, 200, object{"pageInfo": object{"isLastPage": true}, "list": mapped(found, func(r row) object {
			return object{
				"Id": number(r["id"]), "transaction_id": r[transactionID], "phone": r[phone], "call_id": r[callID],
			}
		})})
	})
	f.mux.HandleFunc("POST /api/v2/tables/calls/records", func(w http.ResponseWriter, r *http.Request) {
		reply(w, 200, object{"Id": number(f.add(calls, read(body(r)))["id"])})
	})
	f.mux.HandleFunc("PATCH /api/v2/tables/calls/records", func(w http.ResponseWriter, r *http.Request) {
		b := body(r)
		if _, found := f.change(text(b["Id"]), read(b), false); !found {
			reply(w, 404, object{"msg": "Record '" + text(b["Id"]) + "' not found"})
			return
		}
		reply(w, 200, object{"Id": b["Id"]})
	})
	return f
}

func nocoDBRefusals() []crmtest.Refusal {
	return []crmtest.Refusal{
		of(says("validation", crmtest.Create, 400, `{"msg":"Invalid JSON"}`), crm.KindInvalid),
		of(says("no such field", crmtest.Find, 422, `{"msg":"Column 'x' not found"}`), crm.KindInvalid),
		of(says("wrong token", crmtest.Find, 401, `{"error":"UNAUTHORIZED","message":"Invalid token"}`),
			crm.KindUnauthorized),
		of(says("missing", crmtest.Update, 404, `{"msg":"Record not found"}`), crm.KindGone),
	}
}
