package alohub

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/crmsyncd/crmsyncd/crm/call"
)

// Options are the settings of a Decoder.
type Options struct {
	// Location is where times without a zone are. Nil: Vietnam, which is at +07:00 all year.
	Location *time.Location
	// RecordingBase is scheme, host and port of the tenant's media server, "https://media.example.vn:1777", for
	// recordings that come as a bare file name. Empty: such recordings are not said.
	RecordingBase string
}

// Decoder reads Alohub's webhooks. It has no state and is safe for concurrent use.
type Decoder struct {
	location      *time.Location
	recordingBase string
}

// New returns a decoder. The error says what is wrong with the recording base.
func New(o Options) (*Decoder, error) {
	d := &Decoder{location: o.Location, recordingBase: strings.TrimRight(o.RecordingBase, "/")}
	if d.location == nil {
		d.location = time.FixedZone("+07", 7*60*60)
	}
	if o.RecordingBase == "" {
		return d, nil
	}
	base, err := url.Parse(o.RecordingBase)
	switch {
	case err != nil:
		return nil, errors.New("recording base is not a URL: give it like https://media.example.vn:1777")
	case base.Scheme != "http" && base.Scheme != "https", base.Host == "":
		return nil, fmt.Errorf("recording base %q: scheme and host are needed, like https://media.example.vn:1777",
			base.Redacted())
	case base.RawQuery != "" || base.Fragment != "" || base.User != nil:
		return nil, fmt.Errorf("recording base %q: user, query and fragment have no place in it", base.Redacted())
	}
	return d, nil
}

// Name returns "alohub": the last segment of the webhook's path.
func (d *Decoder) Name() string { return "alohub" }

// The fields of a webhook that mean something here, as indices of a body.
const (
	fieldCallID = iota
	fieldCallStatus
	fieldDirection
	fieldCallerNumber
	fieldDestinationNumber
	fieldStartTime
	fieldAnswerTime
	fieldEndTime
	fieldHangupBy
	fieldHotline
	fieldTotalDuration
	fieldHoldingDuration
	fieldRecordingURL
	fieldObjectID
	fieldTransactionID
	fieldUserName
	fieldEventType
	fieldCount
)

// fieldOf returns the index of the field that is named key on the wire, or fieldCount for any other key.
func fieldOf(key string) int {
	switch key {
	case "call_id":
		return fieldCallID
	case "call_status":
		return fieldCallStatus
	case "direction":
		return fieldDirection
	case "caller_number":
		return fieldCallerNumber
	case "destination_number":
		return fieldDestinationNumber
	case "starttime":
		return fieldStartTime
	case "answertime":
		return fieldAnswerTime
	case "endtime":
		return fieldEndTime
	case "hangup_by":
		return fieldHangupBy
	case "hotline":
		return fieldHotline
	case "total_duration":
		return fieldTotalDuration
	case "holding_duration":
		return fieldHoldingDuration
	case "recording_url":
		return fieldRecordingURL
	case "objectId":
		return fieldObjectID
	case "transactionID":
		return fieldTransactionID
	case "userName":
		return fieldUserName
	case "eventType":
		return fieldEventType
	default:
		return fieldCount
	}
}

// Decode reads the body of one webhook. The error is a *DecodeError. The event does not share memory with body.
func (d *Decoder) Decode(body []byte) (call.Event, error) {
	text, err := object(body)
	if err != nil {
		return call.Event{}, err
	}
	var raw [fieldCount + 1]string // the last one takes what is of no interest
	members(text, skipSpace(text, 0), func(key, value string) { raw[fieldOf(unquote(key))] = value })

	id, err := callID(raw[fieldCallID])
	if err != nil {
		return call.Event{}, err
	}
	return call.Event{
		CallID:         id,
		Type:           strings.ToLower(short(raw[fieldEventType])),
		TransactionID:  short(raw[fieldTransactionID]),
		Direction:      direction(short(raw[fieldDirection])),
		Status:         strings.ToLower(short(raw[fieldCallStatus])),
		CustomerNumber: short(raw[fieldCallerNumber]),
		Extension:      short(raw[fieldDestinationNumber]),
		Agent:          short(raw[fieldUserName]),
		Hotline:        short(raw[fieldHotline]),
		Start:          d.time(short(raw[fieldStartTime])),
		Answer:         d.time(short(raw[fieldAnswerTime])),
		End:            d.time(short(raw[fieldEndTime])),
		HangupBy:       strings.ToLower(short(raw[fieldHangupBy])),
		Total:          seconds(short(raw[fieldTotalDuration])),
		Hold:           seconds(short(raw[fieldHoldingDuration])),
		RecordingURL:   d.recording(scalar(raw[fieldRecordingURL])),
		ObjectID:       short(raw[fieldObjectID]),
	}, nil
}

// object returns the body as text if it is UTF-8, JSON and one object.
func object(body []byte) (string, error) {
	if !utf8.Valid(body) {
		return "", &DecodeError{CodeNotUTF8, "the body is not UTF-8 text"}
	}
	text := string(body)
	if !valid(text) {
		return "", notJSON(body)
	}
	if text[skipSpace(text, 0)] != '{' {
		return "", &DecodeError{CodeNotObject, "the body is not one JSON object: send each event by itself"}
	}
	return text, nil
}

// notJSON says where the body stops being JSON. Of the error of encoding/json only the position is used: it quotes
// the body.
func notJSON(body []byte) error {
	if len(body) == 0 {
		return &DecodeError{CodeNotJSON, "the body is empty"}
	}
	var syntax *json.SyntaxError
	if err := json.Unmarshal(body, new(json.RawMessage)); errors.As(err, &syntax) {
		where := fmt.Sprintf("the body is not valid JSON, see byte %d of %d", syntax.Offset, len(body))
		return &DecodeError{CodeNotJSON, where}
	}
	return &DecodeError{CodeNotJSON, "the body is not valid JSON"}
}
