package crmtest

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

func testTraits(t *testing.T, s *setup) {
	t.Helper()
	traits := s.adapter.Traits()
	require.NotEmpty(t, traits.Name)
	require.Equal(t, traits.MatchesItself, len(traits.Objects) == 0)
	require.Positive(t, traits.FindBatch)
	require.Positive(t, traits.WriteBatch)
	_, finds := s.adapter.(crm.LogFinder)
	require.True(t, finds || traits.Upsert, "a create whose answer got lost cannot be resolved")
}

func testEmpty(t *testing.T, s *setup) {
	t.Helper()
	require.Empty(t, s.adapter.Find(t.Context(), nil))
	require.Empty(t, s.adapter.Write(t.Context(), nil))
	require.Zero(t, s.server.Requests())
}

func testFindNone(t *testing.T, s *setup) {
	t.Helper()
	object := s.object(t)
	s.crm.AddRecord(object, "another", phone)
	found := s.find(t, crm.Lookup{Object: object, TransactionID: "T-1001"})
	require.NoError(t, found.Err)
	require.Empty(t, found.Records)
}

func testFindOne(t *testing.T, s *setup) {
	t.Helper()
	object := s.object(t)
	s.crm.AddRecord(object, "T-10012", "+84987654321")
	id := s.crm.AddRecord(object, "T-1001", phone)
	found := s.find(t, crm.Lookup{Object: object, TransactionID: "T-1001"})
	require.NoError(t, found.Err)
	require.Len(t, found.Records, 1)
	require.Equal(t, object, found.Records[0].Object)
	require.Equal(t, id, found.Records[0].ID)
	require.Equal(t, "T-1001", found.Records[0].TransactionID)
}

func testFindMany(t *testing.T, s *setup) {
	t.Helper()
	object := s.object(t)
	want := []string{s.crm.AddRecord(object, "T-1001", phone), s.crm.AddRecord(object, "T-1001", "+84987654321")}
	found := s.find(t, crm.Lookup{Object: object, TransactionID: "T-1001"})
	require.NoError(t, found.Err)
	var got []string
	for _, r := range found.Records {
		got = append(got, r.ID)
	}
	if found.Truncated {
		require.Subset(t, want, got)
		return
	}
	require.ElementsMatch(t, want, got)
}

func testFindByPhone(t *testing.T, s *setup) {
	t.Helper()
	object := s.object(t)
	if !s.adapter.Traits().ByPhone {
		t.Skip("the CRM does not look up by phone")
	}
	id := s.crm.AddRecord(object, "", phone)
	s.crm.AddRecord(object, "", "+84987654321")
	for _, raw := range []string{phone, national, "84912345678", "0912 345 678"} {
		found := s.find(t, crm.Lookup{Object: object, Phone: call.ParseNumber(raw, "VN")})
		require.NoError(t, found.Err)
		require.Len(t, found.Records, 1, raw)
		require.Equal(t, id, found.Records[0].ID)
	}
	found := s.find(t, crm.Lookup{Object: object, Phone: call.ParseNumber("0933333333", "VN")})
	require.NoError(t, found.Err)
	require.Empty(t, found.Records)
}

func testFindBatch(t *testing.T, s *setup) {
	t.Helper()
	object := s.object(t)
	var lookups []crm.Lookup
	var want []string
	for i := range 40 {
		transactionID := "T-" + string(rune('A'+i%26)) + string(rune('a'+i/26))
		lookups = append(lookups, crm.Lookup{Object: object, TransactionID: transactionID})
		want = append(want, "")
		if i%3 != 0 {
			want[i] = s.crm.AddRecord(object, transactionID, phone)
		}
	}
	found := s.adapter.Find(t.Context(), lookups)
	require.Len(t, found, len(lookups))
	for i, f := range found {
		require.NoError(t, f.Err)
		if want[i] == "" {
			require.Empty(t, f.Records)
			continue
		}
		require.Len(t, f.Records, 1)
		require.Equal(t, want[i], f.Records[0].ID)
	}
}

// testCreateContacts: a transaction id may be one of a whole campaign. A record that carries that of the call it was
// created for would be taken for the next customer of the campaign.
func testCreateContacts(t *testing.T, s *setup) {
	t.Helper()
	creator, creates := s.adapter.(crm.ContactCreator)
	if !creates {
		t.Skip("the adapter creates no contacts")
	}
	c := s.call()
	made := creator.CreateContacts(t.Context(), []call.Call{c})
	require.Len(t, made, 1)
	if made[0].Err != nil && crm.Classify(made[0].Err).Kind == crm.KindInvalid {
		t.Skip("the adapter is set up to create no contacts")
	}
	require.NoError(t, made[0].Err)
	require.Len(t, made[0].Records, 1)
	require.Empty(t, made[0].Records[0].TransactionID)
	for _, object := range s.adapter.Traits().Objects {
		found := s.find(t, crm.Lookup{Object: object, TransactionID: c.TransactionID})
		require.NoError(t, found.Err)
		require.Empty(t, found.Records, "a created record carries the transaction id")
	}
}

func testConcurrent(t *testing.T, s *setup) {
	t.Helper()
	object := s.object(t)
	id := s.crm.AddRecord(object, "T-1001", phone)
	owner := s.owner()
	var workers sync.WaitGroup
	founds := make([]crm.Found, 8)
	writtens := make([]crm.Written, len(founds))
	for i := range founds {
		c := s.call()
		workers.Go(func() {
			founds[i] = s.adapter.Find(t.Context(), []crm.Lookup{{Object: object, TransactionID: "T-1001"}})[0]
			writtens[i] = s.adapter.Write(t.Context(), []crm.Write{{
				Call: c, Record: &crm.Record{Object: object, ID: id}, Owner: owner,
			}})[0]
		})
	}
	workers.Wait()
	for i := range founds {
		require.NoError(t, founds[i].Err)
		require.Len(t, founds[i].Records, 1)
		require.NoError(t, writtens[i].Err)
	}
	require.Len(t, s.crm.Logs(), len(founds))
}
