package receiver

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
)

// defaultRetryAfter is when to send again if the sink does not say.
const defaultRetryAfter = 5 * time.Second

// answer is what a request is answered.
type answer struct {
	status int
	// result is what the observer is told.
	result string
	// callID is that of a stored event, code and message are those of an error.
	callID, code, message string
	// retryAfter stands in the header of every 503.
	retryAfter time.Duration
	// last: the connection is closed after the answer, because the body was not read to its end or the server stops.
	last bool
}

// stored is the body of a 200.
type stored struct {
	Status string `json:"status"`
	CallID string `json:"call_id"`
}

// refusal is the body of every other answer.
type refusal struct {
	Error problem `json:"error"`
}

type problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// write sends the answer.
func (a answer) write(c *gin.Context) {
	if a.last {
		c.Header("Connection", "close")
	}
	if a.status == http.StatusOK {
		status := "accepted"
		if a.result == ResultDuplicate {
			status = "duplicate"
		}
		c.JSON(a.status, stored{status, a.callID})
		return
	}
	if a.status == http.StatusServiceUnavailable {
		c.Header("Retry-After", strconv.FormatInt(a.seconds(), 10))
	}
	c.JSON(a.status, refusal{problem{a.code, a.message}})
}

// seconds returns the wait before the next try in whole seconds, at least one: a fraction would be read as 0.
func (a answer) seconds() int64 {
	return max(1, int64((a.retryAfter+time.Second-1)/time.Second))
}

func unauthorized() answer {
	return answer{
		status: http.StatusUnauthorized, result: ResultUnauthorized, code: ResultUnauthorized, last: true,
		message: "The Authorization header is missing or wrong. Send the key agreed on for this webhook as its whole value.",
	}
}

func unsupportedType() answer {
	return answer{
		status: http.StatusUnsupportedMediaType, result: ResultUnsupportedType, code: ResultUnsupportedType,
		message: "Send the event with Content-Type: application/json and without a Content-Encoding.",
	}
}

func tooLarge(limit int64) answer {
	return answer{
		status: http.StatusRequestEntityTooLarge, result: ResultTooLarge, code: ResultTooLarge, last: true,
		message: fmt.Sprintf("The body is larger than %d bytes. Send one event per request.", limit),
	}
}

func malformed(err error) answer {
	return answer{status: http.StatusBadRequest, result: ResultMalformed, code: codeOf(err), message: err.Error()}
}

// again answers that nothing was stored and the event is to be sent again.
func again(result, code, why string, after time.Duration) answer {
	a := answer{status: http.StatusServiceUnavailable, result: result, code: code, retryAfter: after}
	a.message = fmt.Sprintf("%s. Nothing was stored: send the event again after %d s.", why, a.seconds())
	return a
}

// unavailable answers that the sink failed. The cause is for the log.
func unavailable(err error) answer {
	u, ok := errors.AsType[Unavailable](err)
	if !ok || u.RetryAfter <= 0 {
		u.RetryAfter = defaultRetryAfter
	}
	return again(ResultUnavailable, u.code(), "The event cannot be made durable at the moment", u.RetryAfter)
}

func overloaded() answer {
	return again(ResultOverloaded, ResultOverloaded, "Too many events at once", time.Second)
}

func stopping() answer {
	a := again(ResultStopping, ResultStopping, "The service is being restarted", defaultRetryAfter)
	a.last = true
	return a
}

func incomplete() answer {
	a := again(ResultIncomplete, ResultIncomplete, "The body did not arrive whole or in time", time.Second)
	a.last = true
	return a
}

func notFound() answer {
	return answer{
		status: http.StatusNotFound, result: ResultNotFound, code: ResultNotFound, last: true,
		message: "There is nothing at this address. Check the path of the webhook's URL.",
	}
}

func methodNotAllowed() answer {
	return answer{
		status: http.StatusMethodNotAllowed, result: ResultMethodNotAllowed, code: ResultMethodNotAllowed, last: true,
		message: "Send events with POST.",
	}
}
