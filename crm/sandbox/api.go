package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// operation answers a request to the API.
type operation func(r *http.Request) answer

// record is a kind of record of the API: how it is read from a request, stored and found. The three kinds differ only
// in what is filled in here.
type record[T any] struct {
	schema schema[T]
	// check says what is wrong with a record beyond its single fields; before is nil for a new one.
	check  func(before, after *T) fieldErrors
	add    func(T) (*T, error)
	change func(id string, change func(*T) error) (*T, error)
	get    func(id string) (*T, bool)
	// path is where the records stand, id names one of them.
	path string
	id   func(*T) string
}

// create answers POST on the list.
func (k record[T]) create(r *http.Request) answer {
	fields, bad := readFields(r)
	if bad.status != 0 {
		return bad
	}
	var added T
	if err := k.fill(&added, nil, fields); err != nil {
		return refused(err)
	}
	stored, err := k.add(added)
	if errors.Is(err, errDuplicate) {
		a := fail(http.StatusConflict, "duplicate", "%s", errDuplicate)
		a.body = failure{Error: problem{Code: "duplicate", Message: errDuplicate.Error()}, Data: stored}
		return a
	}
	if err != nil {
		return refused(err)
	}
	return created(k.path+"/"+k.id(stored), stored)
}

// update answers PATCH on one record.
func (k record[T]) update(r *http.Request) answer {
	fields, bad := readFields(r)
	if bad.status != 0 {
		return bad
	}
	stored, err := k.change(r.PathValue("id"), func(next *T) error {
		before := *next
		return k.fill(next, &before, fields)
	})
	if err != nil {
		return refused(err)
	}
	return found(stored)
}

// fill sets the fields of a record and checks it.
func (k record[T]) fill(next, before *T, fields map[string]json.RawMessage) error {
	problems := fieldErrors(k.schema.apply(next, fields))
	if len(problems) == 0 && k.check != nil {
		problems = k.check(before, next)
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// read answers GET on one record.
func (k record[T]) read(r *http.Request) answer {
	stored, exists := k.get(r.PathValue("id"))
	if !exists {
		return refused(errNotFound)
	}
	return found(stored)
}

// checkCall says what is wrong with a call log as a whole.
func checkCall(before, after *Call) fieldErrors {
	switch {
	case after.CallID == "":
		return fieldErrors{"call_id": "is required"}
	case before != nil && before.CallID != after.CallID:
		return fieldErrors{"call_id": "cannot be changed"}
	}
	return nil
}

func (s *Server) listContacts(r *http.Request) answer {
	given, p, bad := readQuery(r, "transaction_id", "phone")
	if bad.status != 0 {
		return bad
	}
	filter := contactFilter{transactionID: given["transaction_id"], phone: given["phone"]}
	return listed(s.store.findContacts(filter, s.injector.current().IndexLag), p)
}

func (s *Server) listCalls(r *http.Request) answer {
	given, p, bad := readQuery(r, "call_id", "contact_id")
	if bad.status != 0 {
		return bad
	}
	filter := callFilter{callID: given["call_id"], contactID: given["contact_id"]}
	return listed(s.store.findCalls(filter, s.injector.current().IndexLag), p)
}

func (s *Server) listUsers(r *http.Request) answer {
	given, p, bad := readQuery(r, "name", "extension", "email")
	if bad.status != 0 {
		return bad
	}
	return listed(s.store.findUsers(userFilter{
		name: given["name"], extension: given["extension"], email: given["email"],
	}), p)
}

func (s *Server) listRevisions(r *http.Request) answer {
	history, exists := s.store.revisions(r.PathValue("id"))
	if !exists {
		return refused(errNotFound)
	}
	return answer{status: http.StatusOK, body: list{Data: history, Total: len(history)}}
}

func (s *Server) readStats(*http.Request) answer {
	return answer{status: http.StatusOK, body: s.Stats()}
}

func (s *Server) readFaults(*http.Request) answer { return found(s.injector.current()) }

// writeFaults puts new faults in place of the current ones; {} ends them all.
func (s *Server) writeFaults(r *http.Request) answer {
	body, bad := readBody(r)
	if bad.status != 0 {
		return bad
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	var wanted *faultsJSON
	if err := decoder.Decode(&wanted); err != nil || wanted == nil {
		return fail(http.StatusBadRequest, "bad_json", "the body must be an object of faults as GET shows it")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return brokenJSON()
	}
	if err := s.SetFaults(wanted.faults()); err != nil {
		return fail(http.StatusUnprocessableEntity, "invalid", "%s", err)
	}
	return found(s.injector.current())
}
