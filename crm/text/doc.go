// Package text is what a salesperson reads of a call in the CRM: the title of the call log, its body, and fields of
// one's own.
//
// # The model
//
// A Text renders a call with Go templates (text/template): built-in ones in Vietnamese or English, or those of the
// configuration. Templates see a View: the call in words of the chosen language, times in the call centre's zone,
// lengths as mm:ss. What is not known of a call is the empty string there, so that one template serves a call that
// still rings, a missed one and one that ended:
//
//	{{.Direction}} {{.Customer}}{{with .Talk}} ({{.}}){{end}}
//
// Templates have the functions of text/template, and date, which formats a time with a layout of Go's package time and
// makes nothing of a time that is not known: {{date "15:04 02/01" .StartTime}}. A title is one line. Of a body, lines
// that came out blank are dropped, so that a line may hold a condition of its own.
//
// # Bounds
//
// New runs every template on calls of all sorts, so a template that works only where a recording is there fails at
// start, not on the first missed call. Templates neither repeat nor call each other, and their output is bounded: a few
// lines of configuration cannot keep the program busy.
//
// # Traps
//
// All that a call says comes from outside. Line breaks, control characters and characters that turn the direction of
// reading are taken out of values, so a name cannot pretend to be another line. HTML escapes everything and makes a
// link of the recording only if its address is one of http or https. Texts are cut between what a reader takes for
// characters, never within a letter and its tone mark, and never within the address of the recording: a cut link leads
// nowhere.
package text
