package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/sandbox"
)

// contains reports whether a page holds a text.
func contains(page []byte, text string) bool { return bytes.Contains(page, []byte(text)) }

// The two events that Alohub documents of one call: answered and still running, then its end with the recording.
const (
	runningEvent = `{"call_id":"20240113150030123456","call_status":"answered","direction":"outbound",
		"caller_number":"0389912345","destination_number":"888","starttime":"2024-01-13 15:00:30",
		"answertime":"2024-01-13 15:00:35","endtime":"","hangup_by":"","hotline":"","total_duration":"",
		"holding_duration":"","recording_url":"","objectId":1,"transactionID":"TRANSID_1111","userName":"adminxxx",
		"eventType":"call"}`
	endEvent = `{"call_id":"20240113150030123456","call_status":"answered","direction":"outbound",
		"caller_number":"0389912345","destination_number":"888","starttime":"2024-01-13 15:00:30",
		"answertime":"2024-01-13 15:00:35","endtime":"2024-01-13 15:05:30","hangup_by":"customer","hotline":"",
		"total_duration":"300","holding_duration":"0",
		"recording_url":"https://media.example:1777/IPCCMedia/MP3Export.do?url=call.mp3&source=ipcc","objectId":1,
		"transactionID":"TRANSID_1111","userName":"adminxxx","eventType":"call"}`
)

// TestExampleOfTheWebhookDocumentation follows one call through the real binary: the running call is in the CRM at once,
// and becomes the finished one with direction, result, duration, agent and recording, on the contact with TRANSID_1111.
func TestExampleOfTheWebhookDocumentation(t *testing.T) {
	crm, url := crmServer(t, 1)
	contact, err := crm.AddContact(sandbox.Contact{Name: "Trần Thị Bình", Phone: "+84389912345", TransactionID: "TRANSID_1111"})
	require.NoError(t, err)
	agent, err := crm.AddUser(sandbox.User{Name: "adminxxx", Extension: "888"})
	require.NoError(t, err)
	p := newProcess(t, url, "CRMSYNCD_DELIVERY__HOLD=10ms")
	p.start()

	status, answer := p.post([]byte(runningEvent))
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"status":"accepted","call_id":"20240113150030123456"}`, answer)
	p.eventually(30*time.Second, "the running call is in the CRM", func() bool { return len(crm.Calls()) == 1 })
	log := crm.Calls()[0]
	require.Equal(t, "20240113150030123456", log.CallID)
	require.Equal(t, contact.ID, log.ContactID)
	require.Equal(t, agent.ID, log.Owner)
	require.Equal(t, "answered", log.Result)
	require.Equal(t, "2024-01-13T08:00:30Z", log.StartedAt.UTC().Format(time.RFC3339), "15:00:30 in Vietnam")
	require.Zero(t, log.EndedAt, "it is still running")
	require.Nil(t, log.TotalSeconds)
	require.Empty(t, log.RecordingURL)

	status, _ = p.post([]byte(endEvent))
	require.Equal(t, 200, status)
	status, answer = p.post([]byte(endEvent))
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"status":"duplicate","call_id":"20240113150030123456"}`, answer)
	p.eventually(30*time.Second, "the end of the call is in the CRM", func() bool { return !crm.Calls()[0].EndedAt.IsZero() })
	p.drained(30 * time.Second)
	require.Len(t, crm.Calls(), 1, "one call log, not two")
	log = crm.Calls()[0]
	require.Equal(t, contact.ID, log.ContactID)
	require.Equal(t, agent.ID, log.Owner)
	require.Equal(t, "outbound", log.Direction)
	require.Equal(t, "answered", log.Result)
	require.Equal(t, "adminxxx", log.Agent)
	require.Equal(t, "888", log.Extension)
	require.Equal(t, "customer", log.HangupBy)
	require.EqualValues(t, 300, *log.TotalSeconds, "with ringing")
	require.EqualValues(t, 295, *log.TalkSeconds, "from answer to end")
	require.EqualValues(t, 0, *log.HoldSeconds)
	require.Equal(t, "https://media.example:1777/IPCCMedia/MP3Export.do?url=call.mp3&source=ipcc", log.RecordingURL)
	require.Equal(t, exitFine, p.stop())
}
