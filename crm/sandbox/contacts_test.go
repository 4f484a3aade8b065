package sandbox_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/sandbox"
)

func TestContacts(t *testing.T) {
	clock := newClock()
	c := start(t, sandbox.Options{Now: clock.read})
	r := c.want(t, 201, "POST", contactsPath,
		`{"name":"Nguyễn Ánh","phone":"0912 345 678","transaction_id":"TX-1","vip":true}`)
	require.Equal(t, "/api/v1/contacts/ct_000001", r.header.Get("Location"))
	want := object{
		"id": "ct_000001", "name": "Nguyễn Ánh", "phone": "0912 345 678", "transaction_id": "TX-1", "owner": "",
		"custom": object{"vip": true}, "created_at": "2026-11-22T07:30:00Z", "updated_at": "2026-11-22T07:30:00Z",
	}
	require.Equal(t, want, r.data(t))
	require.Equal(t, want, c.want(t, 200, "GET", r.header.Get("Location"), "").data(t))

	clock.advance(1e9)
	changed := c.want(t, 200, "PATCH", r.header.Get("Location"), `{"owner":"us_000001","phone":null,"vip":null}`).data(t)
	require.Equal(t, object{
		"id": "ct_000001", "name": "Nguyễn Ánh", "phone": "", "transaction_id": "TX-1", "owner": "us_000001",
		"created_at": "2026-11-22T07:30:00Z", "updated_at": "2026-11-22T07:30:01Z",
	}, changed)
	require.Empty(t, c.want(t, 200, "GET", contactsPath+"?phone=0912345678", "").ids(t), "the index forgot the old number")
	c.want(t, 200, "PATCH", r.header.Get("Location"), `{"transaction_id":"TX-2","phone":"0987654321"}`)
	require.Equal(t, []string{"ct_000001"}, c.want(t, 200, "GET", contactsPath+"?phone=84987654321", "").ids(t))
	require.Empty(t, c.want(t, 200, "GET", contactsPath+"?transaction_id=TX-1", "").ids(t))
	require.Equal(t, []string{"ct_000001"}, c.want(t, 200, "GET", contactsPath+"?transaction_id=TX-2", "").ids(t))
}

func TestContactFilters(t *testing.T) {
	c := start(t, sandbox.Options{})
	for _, contact := range []sandbox.Contact{
		{Phone: "+84 912 345 678", TransactionID: "TX-1"},
		{Phone: "0912.345.678", TransactionID: "TX-2"},
		{Phone: "101", TransactionID: "TX-1"},
		{Phone: "anonymous", TransactionID: "TX & 3"},
		{Phone: "+1 415 555 0100"},
		{Phone: "+84 28 3822 0000"},
	} {
		_, err := c.AddContact(contact)
		require.NoError(t, err)
	}
	all := []string{"ct_000001", "ct_000002", "ct_000003", "ct_000004", "ct_000005", "ct_000006"}
	for query, want := range map[string][]string{
		"":                                        all,
		"transaction_id=TX-1":                     {"ct_000001", "ct_000003"},
		"transaction_id=tx-1":                     {},
		"transaction_id=TX+%26+3":                 {"ct_000004"},
		"phone=0912345678":                        {"ct_000001", "ct_000002"},
		"phone=84912345678":                       {"ct_000001", "ct_000002"},
		"phone=%2B84912345678":                    {"ct_000001", "ct_000002"},
		"phone=+84912345678":                      {"ct_000001", "ct_000002"},
		"phone=0084912345678":                     {"ct_000001", "ct_000002"},
		"phone=%2B84(0)912-345-678":               {"ct_000001", "ct_000002"},
		"phone=912345678":                         {},
		"phone=101":                               {"ct_000003"},
		"phone=anonymous":                         {},
		"phone=0014155550100":                     {"ct_000005"},
		"phone=02838220000":                       {"ct_000006"},
		"phone=0912345678&transaction_id=TX-2":    {"ct_000002"},
		"phone=0912345678&transaction_id=TX-none": {},
	} {
		t.Run(query, func(t *testing.T) {
			r := c.want(t, 200, "GET", contactsPath+"?"+query, "")
			require.Equal(t, want, r.ids(t))
			require.InDelta(t, len(want), r.json["total"], 0)
		})
	}
}

func TestPagination(t *testing.T) {
	c := start(t, sandbox.Options{})
	for i := range 203 {
		_, err := c.AddContact(sandbox.Contact{Name: fmt.Sprint(i), TransactionID: "TX"})
		require.NoError(t, err)
	}
	for query, want := range map[string]struct {
		first string
		count int
	}{
		"":                   {"ct_000001", 50},
		"page=2":             {"ct_000051", 50},
		"page=5":             {"ct_000201", 3},
		"page=6":             {"", 0},
		"page=2147483647":    {"", 0},
		"limit=200":          {"ct_000001", 200},
		"limit=200&page=2":   {"ct_000201", 3},
		"limit=1&page=203":   {"ct_000203", 1},
		"transaction_id=TX":  {"ct_000001", 50},
		"page=1&limit=7&":    {"ct_000001", 7},
		"limit=29&page=0007": {"ct_000175", 29},
	} {
		t.Run(query, func(t *testing.T) {
			r := c.want(t, 200, "GET", contactsPath+"?"+query, "")
			ids := r.ids(t)
			require.Len(t, ids, want.count)
			require.InDelta(t, 203, r.json["total"], 0)
			if want.count > 0 {
				require.Equal(t, want.first, ids[0])
			}
		})
	}
}

func TestUsers(t *testing.T) {
	c := start(t, sandbox.Options{})
	r := c.want(t, 201, "POST", usersPath, `{"name":"lan.tran","extension":"101","email":"lan@example.com"}`)
	require.Equal(t, "/api/v1/users/us_000001", r.header.Get("Location"))
	c.want(t, 201, "POST", usersPath, `{"name":"hung.le","extension":"102"}`)
	require.Equal(t, "lan.tran", c.want(t, 200, "GET", usersPath+"/us_000001", "").data(t)["name"])
	for query, want := range map[string][]string{
		"":                            {"us_000001", "us_000002"},
		"name=Lan.Tran":               {"us_000001"},
		"name=lan":                    {},
		"extension=102":               {"us_000002"},
		"email=LAN@example.com":       {"us_000001"},
		"name=lan.tran&extension=102": {},
	} {
		require.Equal(t, want, c.want(t, 200, "GET", usersPath+"?"+query, "").ids(t), query)
	}
	c.want(t, 200, "PATCH", usersPath+"/us_000002", `{"name":"hùng"}`)
	require.Equal(t, []string{"us_000002"}, c.want(t, 200, "GET", usersPath+"?name=HÙNG", "").ids(t))
	c.want(t, 404, "PATCH", usersPath+"/us_000009", `{}`)
}
