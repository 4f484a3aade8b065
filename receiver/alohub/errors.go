package alohub

// The codes of a DecodeError.
const (
	// CodeNotUTF8: the body is not UTF-8 text.
	CodeNotUTF8 = "not_utf8"
	// CodeNotJSON: the body is not one valid JSON text, or is nested deeper than encoding/json goes.
	CodeNotJSON = "not_json"
	// CodeNotObject: the body is valid JSON, but an array, a string or another single value.
	CodeNotObject = "not_object"
	// CodeNoCallID: call_id is missing, empty, or neither a string nor a number.
	CodeNoCallID = "no_call_id"
	// CodeBadCallID: call_id is too long or contains characters that no identity can have.
	CodeBadCallID = "bad_call_id"
)

// DecodeError says why a body is not an event. Neither its fields nor its text hold anything of the body.
type DecodeError struct {
	// Reason is one of the codes of this package.
	Reason string
	// Problem is a sentence for the person at the sender's side who has to act.
	Problem string
}

// Error returns the problem with the name of the package before it.
func (e *DecodeError) Error() string { return "decode alohub event: " + e.Problem }

// Code returns the reason, for callers that know decoders by their shape alone.
func (e *DecodeError) Code() string { return e.Reason }
