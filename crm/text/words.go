package text

import "github.com/crmsyncd/crmsyncd/crm/call"

// words are a language.
type words struct {
	direction map[call.Direction]string
	// ringing and talking are the results of a running call, notReached that of a missed outbound one.
	ringing, talking, answered, missed, notReached, unknown string
	hangupBy                                                map[string]string
	// hidden stands for a customer without a number.
	hidden string
	// layout is that of date and time.
	layout string
	// title and body are the built-in templates.
	title, body string
}

// result returns what became of a call, in words.
func (w words) result(c call.Call) string {
	switch {
	case c.Result == call.ResultMissed && c.Direction == call.Outbound:
		return w.notReached
	case c.Result == call.ResultMissed:
		return w.missed
	case c.State == call.Ended && c.Result == call.ResultAnswered:
		return w.answered
	case c.State == call.Ended:
		return w.unknown
	case c.Result == call.ResultAnswered:
		return w.talking
	default:
		return w.ringing
	}
}

// languages returns all languages by their codes (ISO 639-1).
func languages() map[string]words { return map[string]words{"vi": vietnamese(), "en": english()} }

func vietnamese() words {
	return words{
		direction: map[call.Direction]string{
			call.Inbound: "Cuộc gọi đến", call.Outbound: "Cuộc gọi đi", call.DirectionUnknown: "Cuộc gọi",
		},
		ringing: "Đang đổ chuông", talking: "Đang đàm thoại", answered: "Đã nghe máy", missed: "Gọi nhỡ",
		notReached: "Khách không nghe máy", unknown: "Không rõ",
		hangupBy: map[string]string{"customer": "Khách hàng", "agent": "Nhân viên", "system": "Hệ thống"},
		hidden:   "số ẩn", layout: "02/01/2006 15:04:05",
		title: `{{if and .Missed .Inbound}}Cuộc gọi nhỡ từ {{.Customer}}{{else -}}
{{.Direction}} {{if .Inbound}}từ{{else if .Outbound}}tới{{else}}với{{end}} {{.Customer}}
{{- if .Missed}} (không nghe máy){{else if and .Running .Answered}} (đang đàm thoại)
{{- else if .Running}} (đang đổ chuông)
{{- else}}{{with .Talk}} ({{.}}){{end}}{{end}}{{end}}`,
		body: `{{.Direction}}: {{.Result}}
Khách hàng: {{.Customer}}
{{if .Agent}}Nhân viên: {{.Agent}}{{with .Extension}} (máy lẻ {{.}}){{end}}{{end}}
{{if not .Agent}}{{with .Extension}}Máy lẻ: {{.}}{{end}}{{end}}
{{with .Hotline}}Hotline: {{.}}{{end}}
{{with .Start}}Bắt đầu: {{.}}{{end}}
{{if .Answered}}{{with .Talk}}Thời gian đàm thoại: {{.}}{{end}}{{end}}
{{if .HoldSeconds}}Thời gian giữ máy: {{.Hold}}{{end}}
{{with .Total}}Tổng thời lượng: {{.}}{{end}}
{{with .HangupBy}}Kết thúc bởi: {{.}}{{end}}
{{with .RecordingURL}}Ghi âm: {{.}}{{end}}
Mã cuộc gọi: {{.CallID}}`,
	}
}

func english() words {
	return words{
		direction: map[call.Direction]string{
			call.Inbound: "Inbound call", call.Outbound: "Outbound call", call.DirectionUnknown: "Call",
		},
		ringing: "Ringing", talking: "In progress", answered: "Answered", missed: "Missed",
		notReached: "No answer", unknown: "Unknown",
		hangupBy: map[string]string{"customer": "Customer", "agent": "Agent", "system": "System"},
		hidden:   "hidden number", layout: "2 Jan 2006 15:04:05",
		title: `{{if and .Missed .Inbound}}Missed call from {{.Customer}}{{else -}}
{{.Direction}} {{if .Inbound}}from{{else if .Outbound}}to{{else}}with{{end}} {{.Customer}}
{{- if .Missed}} (no answer){{else if and .Running .Answered}} (in progress){{else if .Running}} (ringing)
{{- else}}{{with .Talk}} ({{.}}){{end}}{{end}}{{end}}`,
		body: `{{.Direction}}: {{.Result}}
Customer: {{.Customer}}
{{if .Agent}}Agent: {{.Agent}}{{with .Extension}} (extension {{.}}){{end}}{{end}}
{{if not .Agent}}{{with .Extension}}Extension: {{.}}{{end}}{{end}}
{{with .Hotline}}Hotline: {{.}}{{end}}
{{with .Start}}Started: {{.}}{{end}}
{{if .Answered}}{{with .Talk}}Talk time: {{.}}{{end}}{{end}}
{{if .HoldSeconds}}Hold time: {{.Hold}}{{end}}
{{with .Total}}Total time: {{.}}{{end}}
{{with .HangupBy}}Ended by: {{.}}{{end}}
{{with .RecordingURL}}Recording: {{.}}{{end}}
Call ID: {{.CallID}}`,
	}
}
