package crm_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/outbox"
)

const (
	phoneA = "0912345678"
	phoneB = "0987654321"
)

func TestMatch(t *testing.T) {
	noPhone := func(_ *fakeCRM, o *crm.Options) { o.Match.Phone = false }
	type change = func(*fakeCRM, *crm.Options)
	for name, test := range map[string]struct {
		records        func(*fakeCRM)
		change         change
		transaction    string
		number         string
		record         string // empty: parked as ambiguous
		matched        string
		ambiguousNames string
	}{
		"one hit": {
			records:     func(f *fakeCRM) { f.contact("1", "T1", phoneA) },
			transaction: "T1", number: phoneA, record: "1", matched: "transaction_id one",
		},
		"one hit with another phone": {
			records:     func(f *fakeCRM) { f.contact("1", "T1", phoneB); f.contact("2", "", phoneA) },
			transaction: "T1", number: phoneA, record: "1", matched: "transaction_id one",
		},
		"one hit for an extension": {
			records:     func(f *fakeCRM) { f.contact("1", "T1") },
			transaction: "T1", number: "888", record: "1", matched: "transaction_id one",
		},
		"the first object with hits": {
			records:     func(f *fakeCRM) { f.lead("1", "T1", phoneA); f.contact("2", "T1", phoneB) },
			transaction: "T1", number: phoneA, record: "2", matched: "transaction_id one",
		},
		"the second object": {
			records:     func(f *fakeCRM) { f.lead("1", "T1", phoneA); f.contact("2", "T2", phoneA) },
			transaction: "T1", number: phoneA, record: "1", matched: "transaction_id one",
		},
		"several narrowed by phone": {
			records:     func(f *fakeCRM) { f.contact("1", "T1", phoneB); f.contact("2", "T1", "+84 912.345.678") },
			transaction: "T1", number: phoneA, record: "2", matched: "transaction_id one",
		},
		"several narrowed by an old form of the phone": {
			records:     func(f *fakeCRM) { f.contact("1", "T1", phoneB); f.contact("2", "T1", "01201234567") },
			transaction: "T1", number: "0701234567", record: "2", matched: "transaction_id one",
		},
		"several with one phone": {
			records: func(f *fakeCRM) {
				f.contact("1", "T1", phoneA)
				f.contact("2", "T1", phoneA)
				f.contact("3", "T1", phoneB)
			},
			transaction: "T1", number: phoneA, matched: "transaction_id many", ambiguousNames: "contact 1, contact 2",
		},
		"several, none with the phone, one record of the phone alone": {
			records: func(f *fakeCRM) {
				f.contact("1", "T1", phoneB)
				f.contact("2", "T1")
				f.contact("3", "T9", phoneA)
			},
			transaction: "T1", number: phoneA, record: "3", matched: "phone one",
		},
		"the same where the phone alone must not decide": {
			records: func(f *fakeCRM) {
				f.contact("1", "T1", phoneB)
				f.contact("2", "T1")
				f.contact("3", "T9", phoneA)
			},
			change:      noPhone,
			transaction: "T1", number: phoneA, matched: "transaction_id many", ambiguousNames: "contact 1, contact 2",
		},
		"several, none with the phone, several records of the phone": {
			records: func(f *fakeCRM) {
				f.contact("1", "T1", phoneB)
				f.contact("2", "T1")
				f.contact("3", "", phoneA)
				f.contact("4", "", phoneA)
			},
			transaction: "T1", number: phoneA, matched: "transaction_id many", ambiguousNames: "contact 1, contact 2",
		},
		"several, nobody has the phone": {
			records:     func(f *fakeCRM) { f.contact("1", "T1", phoneB); f.contact("2", "T1") },
			transaction: "T1", number: phoneA, matched: "transaction_id many", ambiguousNames: "contact 1, contact 2",
		},
		"several and an extension": {
			records:     func(f *fakeCRM) { f.contact("1", "T1"); f.contact("2", "T1") },
			transaction: "T1", number: "888", matched: "transaction_id many", ambiguousNames: "contact 1, contact 2",
		},
		"several where the CRM knows no phones": {
			records:     func(f *fakeCRM) { f.contact("1", "T1", phoneA); f.contact("2", "T1", phoneB) },
			change:      func(f *fakeCRM, _ *crm.Options) { f.traits.ByPhone = false },
			transaction: "T1", number: phoneA, record: "1", matched: "transaction_id one",
		},
		"a page of a campaign, our record not on it": {
			records: func(f *fakeCRM) {
				for i := range 20 {
					f.contact(fmt.Sprint(i), "T1", fmt.Sprintf("09123400%02d", i))
				}
			},
			change:      func(f *fakeCRM, _ *crm.Options) { f.pageSize = 3 },
			transaction: "T1", number: "0912340015", record: "15", matched: "transaction_id one",
		},
		"a page of a campaign, the phone on it twice in all": {
			records: func(f *fakeCRM) {
				f.contact("1", "T1", phoneA)
				f.contact("2", "T1", phoneB)
				f.contact("3", "T1", phoneA)
			},
			change:      func(f *fakeCRM, _ *crm.Options) { f.pageSize = 2 },
			transaction: "T1", number: phoneA, matched: "transaction_id many", ambiguousNames: "contact 1, contact 3",
		},
		"a page of a campaign, one of two with the phone carries it": {
			records: func(f *fakeCRM) {
				for i := range 5 {
					f.contact(fmt.Sprint(i), "T1", phoneB)
				}
				f.contact("5", "T1", phoneA)
				f.contact("6", "", phoneA)
			},
			change:      func(f *fakeCRM, _ *crm.Options) { f.pageSize = 3 },
			transaction: "T1", number: phoneA, record: "5", matched: "transaction_id one",
		},
		"a page of a campaign and a page of the phone": {
			records: func(f *fakeCRM) {
				for i := range 5 {
					f.contact(fmt.Sprint(i), "T1", phoneA)
				}
			},
			change:      func(f *fakeCRM, _ *crm.Options) { f.pageSize = 1 },
			transaction: "T1", number: phoneA, matched: "transaction_id many", ambiguousNames: "contact 0",
		},
		"phone without a transaction id": {
			records: func(f *fakeCRM) { f.contact("1", "", phoneB); f.contact("2", "", phoneA) },
			number:  phoneA, record: "2", matched: "phone one",
		},
		"phone when the transaction id leads nowhere": {
			records:     func(f *fakeCRM) { f.contact("1", "", phoneA) },
			transaction: "T1", number: phoneA, record: "1", matched: "phone one",
		},
		"phone of a lead": {
			records: func(f *fakeCRM) { f.lead("1", "", phoneA) }, number: phoneA, record: "1", matched: "phone one",
		},
		"phone of a contact before that of a lead": {
			records: func(f *fakeCRM) { f.lead("1", "", phoneA); f.contact("2", "", phoneA) },
			number:  phoneA, record: "2", matched: "phone one",
		},
		"phone of several": {
			records: func(f *fakeCRM) { f.contact("1", "", phoneA); f.contact("2", "", phoneA) },
			number:  phoneA, matched: "phone many", ambiguousNames: "contact 1, contact 2",
		},
		"phone with one hit of several": {
			records: func(f *fakeCRM) { f.contact("1", "", phoneA); f.contact("2", "", phoneA) },
			change:  func(f *fakeCRM, _ *crm.Options) { f.pageSize = 1 },
			number:  phoneA, matched: "phone many", ambiguousNames: "contact 1",
		},
		"a local number of seven digits": {
			records: func(f *fakeCRM) { f.contact("1", "", "3812345") }, number: "3812345", record: "1", matched: "phone one",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(f *fakeCRM, o *crm.Options) {
				test.records(f)
				if test.change != nil {
					test.change(f, o)
				}
			})
			o := b.one(t, entry(t, ended("c1", test.transaction, test.number)))
			require.Equal(t, []string{test.matched}, b.observer.matched)
			if test.record == "" {
				require.Equal(t, outbox.Refused, o.Kind)
				require.Equal(t, "ambiguous", o.Reason)
				require.Contains(t, o.Error, test.ambiguousNames)
				require.NotContains(t, o.Error, "12345678")
				require.Empty(t, b.crm.logs)
				return
			}
			require.Equal(t, outbox.Done, o.Kind, "%+v", o)
			require.Equal(t, test.record, b.crm.logs[0].record.ID)
		})
	}
}

func TestMatchNamesAFewOfManyRecords(t *testing.T) {
	b := newBench(t)
	for i := range 30 {
		b.crm.contact(fmt.Sprint(i), "", phoneA)
	}
	o := b.one(t, entry(t, ended("c1", "", phoneA)))
	require.Equal(t, "ambiguous", o.Reason)
	require.Contains(t, o.Error, "contact 9, and more")
	require.NotContains(t, o.Error, "contact 10")
}

func TestMatchTakesARecordReturnedTwiceAsOne(t *testing.T) {
	b := newBench(t)
	b.crm.onFind = func([]crm.Lookup) []crm.Found {
		r := crm.Record{Object: "contact", ID: "1", TransactionID: "T1"}
		return []crm.Found{{Records: []crm.Record{r, r}}}
	}
	require.Equal(t, outbox.Done, b.one(t, entry(t, ended("c1", "T1", phoneA))).Kind)
	require.Equal(t, "1", b.crm.logs[0].record.ID)
}

func TestMatchOfMoreThanTheCRMLists(t *testing.T) {
	b := newBench(t)
	b.crm.onFind = func([]crm.Lookup) []crm.Found { return []crm.Found{{Truncated: true}} }
	for _, transaction := range []string{"T1", ""} {
		o := b.one(t, entry(t, ended("c1", transaction, phoneA)))
		require.Equal(t, "ambiguous", o.Reason)
		require.Contains(t, o.Error, "more than the CRM lists")
	}
}

func TestMatchAsksNoMoreWhenThrottled(t *testing.T) {
	b := newBench(t)
	b.crm.onFind = func(lookups []crm.Lookup) []crm.Found {
		founds := make([]crm.Found, len(lookups))
		for i, l := range lookups {
			switch l.TransactionID {
			case "CAMPAIGN":
				founds[i] = crm.Found{Records: []crm.Record{{Object: "contact", ID: "1"}, {Object: "contact", ID: "2"}}}
			default:
				founds[i].Err = crm.Errorf(crm.KindThrottled, "find contact", "slow down")
			}
		}
		return founds
	}
	report := b.deliver(t, entry(t, ended("c1", "CAMPAIGN", phoneA)), entry(t, ended("c2", "T2", phoneA)))
	require.Len(t, b.crm.finds, 1, "the number is not asked for while the CRM rests")
	for _, o := range report.Outcomes {
		require.Equal(t, outbox.Wait, o.Kind, "%+v", o)
	}
}

func TestMatchIsLeftToACRMThatMatchesItself(t *testing.T) {
	b := newBench(t, func(f *fakeCRM, _ *crm.Options) { f.traits.MatchesItself, f.traits.Objects = true, nil })
	require.Equal(t, outbox.Done, b.one(t, entry(t, ended("c1", "T1", phoneA))).Kind)
	require.Nil(t, b.crm.logs[0].record)
	require.Empty(t, b.crm.finds)
	require.Empty(t, b.observer.matched)
}

// A record found by phone gives way to the one that a transactionID names later, and to nothing else.
