package rest_test

import (
	"net/http"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

func of(r crmtest.Refusal, kind crm.Kind) crmtest.Refusal {
	r.Kind = kind
	return r
}

// newEspoCRM answers as EspoCRM 8.4 does.
func newEspoCRM() *fake {
	f := newFake("X-Api-Key", canary, blank(http.StatusUnauthorized))
	columns := map[string]string{
		"cTransactionId": transactionID, "phoneNumber": phone, "cProviderCallId": callID, "userName": name,
	}
	lead := func(r row) object {
		return object{
			"id": r["id"], "cTransactionId": r[transactionID], "phoneNumber": r[phone], "assignedUserId": r[owner],
		}
	}
	event := func(r row) object { return object{"id": r["id"], "cProviderCallId": r[callID], "duration": 300} }
	user := func(r row) object { return object{"id": r["id"], "userName": r[name]} }
	search := func(table string, convert func(row) object) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			column, known := columns[r.URL.Query().Get("where[0][attribute]")]
			if !known {
				w.Header().Set("X-Status-Reason", "Unknown attribute.")
				blank(http.StatusBadRequest)(w, r)
				return
			}
			found := f.find(table, column, r.URL.Query().Get("where[0][value]"))
			reply(w, http.StatusOK, object{"total": len(found), "list": mapped(found, convert)})
		}
	}
	read := func(r *http.Request) row {
		b := body(r)
		return row{
			callID: text(b["cProviderCallId"]), record: text(b["parentId"]), owner: text(b["assignedUserId"]),
			recording: text(b["cRecordingUrl"]),
		}
	}
	f.mux.Handle("GET /api/v1/Lead", search(leads, lead))
	f.mux.Handle("GET /api/v1/Call", search(calls, event))
	f.mux.Handle("GET /api/v1/User", search(users, user))
	f.mux.HandleFunc("POST /api/v1/Call", func(w http.ResponseWriter, r *http.Request) {
		values := read(r)
		if values[owner] == "" {
			w.Header().Set("X-Status-Reason", "Field validation failure; field: assignedUser, type: required.")
			blank(http.StatusBadRequest)(w, r)
			return
		}
		reply(w, http.StatusOK, event(f.add(calls, values)))
	})
	f.mux.HandleFunc("PUT /api/v1/Call/{id}", func(w http.ResponseWriter, r *http.Request) {
		if changed, found := f.change(r.PathValue("id"), read(r), false); found {
			reply(w, http.StatusOK, event(changed))
			return
		}
		blank(http.StatusNotFound)(w, r)
	})
	f.mux.HandleFunc("POST /api/v1/Lead", func(w http.ResponseWriter, r *http.Request) {
		b := body(r)
		number := text(b["phoneNumber"])
		if twins := f.find(leads, phone, number); len(twins) > 0 {
			w.Header().Set("X-Status-Reason", "duplicate")
			reply(w, http.StatusConflict, mapped(twins, lead))
			return
		}
		reply(w, http.StatusOK, lead(f.add(leads, row{phone: number, transactionID: text(b["cTransactionId"])})))
	})
	return f
}

func espoCRMRefusals() []crmtest.Refusal {
	reason := of(says("validation", crmtest.Create, 400, ""), crm.KindInvalid)
	reason.Answer.Header = http.Header{"X-Status-Reason": {"Field validation failure"}}
	return []crmtest.Refusal{
		reason,
		of(says("no such attribute", crmtest.Find, 400, ""), crm.KindInvalid),
		of(says("wrong key", crmtest.Find, 401, ""), crm.KindUnauthorized),
		of(says("no right", crmtest.Create, 403, ""), crm.KindForbidden),
		of(says("database down", crmtest.Find, 500, ""), crm.KindTransient),
		of(says("database down during a create", crmtest.Create, 500, ""), crm.KindInDoubt),
		of(says("application down", crmtest.Update, 502, "<html>Bad Gateway</html>"), crm.KindTransient),
	}
}

// newDolibarr answers as Dolibarr 16 does.
func newDolibarr() *fake {
	f := newFake("DOLAPIKEY", canary, answering(401, object{"error": object{"code": 401, "message": "Unauthorized"}}))
	missing := answering(404, object{"error": object{"code": 404, "message": "Not Found: no object found"}})
	search := func(table string, columns map[string]string, convert func(row) object) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			field, value, _ := strings.Cut(strings.Trim(r.URL.Query().Get("sqlfilters"), "()"), ":=:")
			column, known := columns[field]
			if !known {
				reply(w, 503, object{"error": object{"code": 503, "message": "Error when retrieving list: Unknown column"}})
				return
			}
			found := f.find(table, column, strings.ReplaceAll(strings.Trim(value, "'"), "''", "'"))
			if len(found) == 0 {
				missing(w, r)
				return
			}
			reply(w, 200, mapped(found, convert))
		}
	}
	read := func(r *http.Request) row {
		b := body(r)
		options, _ := b["array_options"].(object)
		return row{
			callID: text(b["ref_ext"]), record: text(b["socid"]), owner: text(b["userownerid"]),
			recording: text(options["options_recording"]),
		}
	}
	f.mux.Handle("GET /api/index.php/thirdparties",
		search(leads, map[string]string{"t.ref_ext": transactionID, "t.phone": phone}, func(r row) object {
			return object{"id": r["id"], "ref_ext": r[transactionID], "phone": r[phone]}
		}))
	f.mux.Handle("GET /api/index.php/agendaevents",
		search(calls, map[string]string{"t.ref_ext": callID}, func(r row) object {
			return object{"id": r["id"], "ref_ext": r[callID]}
		}))
	f.mux.HandleFunc("POST /api/index.php/agendaevents", func(w http.ResponseWriter, r *http.Request) {
		id := f.add(calls, read(r))["id"]
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(id))
	})
	f.mux.HandleFunc("PUT /api/index.php/agendaevents/{id}", func(w http.ResponseWriter, r *http.Request) {
		if changed, found := f.change(r.PathValue("id"), read(r), true); found {
			reply(w, 200, object{"id": changed["id"]})
			return
		}
		missing(w, r)
	})
	return f
}

func dolibarrRefusals() []crmtest.Refusal {
	return []crmtest.Refusal{
		of(says("validation", crmtest.Create, 400, `{"error":{"code":400,"message":"Bad Request: datep missing"}}`),
			crm.KindInvalid),
		of(says("two at once", crmtest.Create, 500, `{"error":{"code":500,"message":"ErrorCustomerCodeAlreadyUsed"}}`),
			crm.KindInDoubt),
		of(says("no such column", crmtest.Find, 503, `{"error":{"code":503,"message":"Unknown column 'ef.x'"}}`),
			crm.KindForbidden),
		of(says("wrong key", crmtest.Find, 401, `{"error":{"code":401,"message":"Unauthorized"}}`), crm.KindUnauthorized),
		of(says("missing", crmtest.Update, 404, `{"error":{"code":404,"message":"Not Found"}}`), crm.KindGone),
		of(says("database down", crmtest.Find, 500, "<html>Dolibarr: sorry</html>"), crm.KindTransient),
	}
}

// newRedmine answers as Redmine 5 does: a filter that it does not know is dropped.
func newRedmine() *fake {
	f := newFake("X-Redmine-API-Key", canary, blank(http.StatusUnauthorized))
	issue := func(r row) object {
		return object{"id": number(r["id"]), "assigned_to": object{"id": 7}, "custom_fields": []object{
			{"id": 3, "name": "Transaction", "value": r[transactionID]},
			{"id": 4, "name": "Phone", "value": r[phone]},
			{"id": 5, "name": "Call", "value": r[callID]},
		}}
	}
	read := func(r *http.Request) row {
		b, _ := body(r)["issue"].(object)
		values := row{record: text(b["parent_issue_id"]), owner: text(b["assigned_to_id"])}
		fields, _ := b["custom_fields"].([]any)
		for _, field := range fields {
			column := map[string]string{"5": callID, "6": recording}[text(field.(object)["id"])]
			values[column] = text(field.(object)["value"])
		}
		return values
	}
	f.mux.HandleFunc("GET /issues.json", func(w http.ResponseWriter, r *http.Request) {
		query, column, value := r.URL.Query(), "", ""
		for parameter, c := range map[string]string{"cf_3": transactionID, "cf_4": phone, "cf_5": callID} {
			if query.Has(parameter) {
				column, value = c, query.Get(parameter)
			}
		}
		found := f.find(query.Get("project_id"), column, value)
		reply(w, 200, object{"issues": mapped(found, issue), "total_count": len(found)})
	})
	f.mux.HandleFunc("POST /issues.json", func(w http.ResponseWriter, r *http.Request) {
		values := read(r)
		if values[callID] == "" {
			reply(w, 422, object{"errors": []string{"Subject cannot be blank", "Call cannot be blank"}})
			return
		}
		made := f.add(calls, values)
		w.Header().Set("Location", "http://"+r.Host+"/issues/"+made["id"])
		reply(w, 201, object{"issue": issue(made)})
	})
	f.mux.HandleFunc("PUT /issues/{file}", func(w http.ResponseWriter, r *http.Request) {
		if _, found := f.change(strings.TrimSuffix(r.PathValue("file"), ".json"), read(r), false); !found {
			blank(404)(w, r)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return f
}

func redmineRefusals() []crmtest.Refusal {
	return []crmtest.Refusal{
		of(says("validation", crmtest.Create, 422, `{"errors":["Subject cannot be blank"]}`), crm.KindInvalid),
		of(says("wrong key", crmtest.Create, 401, ""), crm.KindUnauthorized),
		of(says("missing", crmtest.Update, 404, ""), crm.KindGone),
		of(says("broken JSON", crmtest.Create, 400, ""), crm.KindInvalid),
	}
}
