package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// canaryCRM is a CRM that repeats in every error all that it was told, and more.
type canaryCRM struct {
	mu sync.Mutex
	// echoed counts the errors told for each call, locked says that credentials are refused.
	echoed map[string]int
	locked bool
}

func (c *canaryCRM) lock(locked bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.locked = locked
}

// echo answers with an error in which every canary stands, the numbers first: what is long gets cut.
func (c *canaryCRM) echo(w http.ResponseWriter, r *http.Request, callID string, status int, number, body string) {
	c.mu.Lock()
	c.echoed[callID]++
	c.mu.Unlock()
	spelled := fmt.Sprintf("%s, +84 %s %s %s, 0%s %s %s", number, number[:2], number[2:5], number[5:],
		number[:3], number[3:6], number[6:])
	text := fmt.Sprintf("cannot take 0%s, %s from %s, recorded at %s; you sent %s %s", number, spelled,
		r.Header.Get("Authorization"), canaryRecording, r.URL, body)
	w.Header().Set("WWW-Authenticate", "Bearer error="+r.Header.Get("Authorization"))
	if callID == "page" {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<html><title>"+text+"</title></html>")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]any{"message": text, "detail": text}}})
}

// callOf returns the call that a request is about, by the transaction id or the number in it.
func callOf(text string) (canaryCall, string) {
	joined := text
	for range 2 {
		joined = separated.ReplaceAllString(joined, "$1$2")
	}
	for i, call := range canaryCalls {
		number := fmt.Sprintf("98765430%d", i+1)
		if strings.Contains(text, "transaction-"+call.id) || strings.Contains(joined, number) {
			return call, number
		}
	}
	return canaryCall{}, "987654300"
}

func (c *canaryCRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	query := r.URL.Query()
	call, number := callOf(query.Get("transaction_id") + " " + query.Get("phone") + " " + string(body))
	c.mu.Lock()
	locked := c.locked
	c.mu.Unlock()
	answer := func(status int, data any, total int) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"data": data, "total": total})
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /api/v1/contacts":
		record := map[string]any{
			"id": "contact-" + call.id, "transaction_id": "transaction-" + call.id, "phone": "0" + number,
			"name": "canary-name",
		}
		switch {
		case locked:
			c.echo(w, r, call.id, http.StatusUnauthorized, number, "")
		case call.id == "unfindable":
			c.echo(w, r, call.id, http.StatusInternalServerError, number, "")
		case call.id == "unknown", call.id == "created", call.id == "":
			answer(http.StatusOK, []any{}, 0)
		default:
			answer(http.StatusOK, []any{record}, 1)
		}
	case "POST /api/v1/calls", "POST /api/v1/contacts":
		switch call.id {
		case "refused", "unknown", "page":
			c.echo(w, r, call.id, http.StatusUnprocessableEntity, number, string(body))
		case "failing":
			c.echo(w, r, call.id, http.StatusInternalServerError, number, string(body))
		case "lost":
			panic(http.ErrAbortHandler)
		default:
			answer(http.StatusCreated, map[string]any{"id": "log-" + call.id}, 1)
		}
	default:
		answer(http.StatusOK, []any{}, 0)
	}
}
