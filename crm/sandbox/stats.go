package sandbox

import (
	"maps"
	"net/http"
)

// statusCut stands in Stats for requests whose connection was closed without an answer.
const statusCut = "cut"

// Stats counts what is in the sandbox and what was asked of it since New.
type Stats struct {
	Contacts int `json:"contacts"`
	Calls    int `json:"calls"`
	// Unlinked is how many of the calls belong to no contact.
	Unlinked int `json:"unlinked"`
	Users    int `json:"users"`
	// Twins is how many creates were refused with 409 because the call id was there already.
	Twins int `json:"twins"`
	// Requests counts API requests by route ("POST /api/v1/calls/{id}", "other" for what is no route) and by status, or
	// "cut" for a connection closed without an answer.
	Requests map[string]map[string]int `json:"requests"`
	// Faults counts the requests that each fault hit, by the fault's name in JSON.
	Faults map[string]int `json:"faults"`
}

// Stats returns the counts of this moment.
func (s *Server) Stats() Stats {
	stats := Stats{Requests: map[string]map[string]int{}, Faults: s.injector.counts()}
	stats.Contacts, stats.Calls, stats.Unlinked, stats.Users = s.store.sizes()
	s.mu.Lock()
	defer s.mu.Unlock()
	stats.Twins = s.twins
	for route, byStatus := range s.requests {
		stats.Requests[route] = maps.Clone(byStatus)
	}
	return stats
}

// Requests returns how many requests each route of the API had, cut ones included. Routes are as in Stats.Requests.
func (s *Server) Requests() map[string]int {
	totals := map[string]int{}
	for route, byStatus := range s.Stats().Requests {
		for _, n := range byStatus {
			totals[route] += n
		}
	}
	return totals
}

// count counts a request and logs it.
func (s *Server) count(r *http.Request, route, status string) {
	s.mu.Lock()
	byStatus := s.requests[route]
	if byStatus == nil {
		byStatus = map[string]int{}
		s.requests[route] = byStatus
	}
	byStatus[status]++
	s.mu.Unlock()
	s.options.Logger.DebugContext(r.Context(), "request", "route", route, "status", status)
}
