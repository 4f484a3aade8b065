package bitrix24

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// command is one of a batch.
type command struct {
	// key is its place in the request, by which others refer to it; empty: it stands where it is given.
	key, method string
	params      url.Values
	effect      api.Effect
	// pretend is what a dry run takes for the result.
	pretend any
}

// answer is what became of a command.
type answer struct {
	title  string
	effect api.Effect
	result json.RawMessage
	// more: there is another page.
	more bool
	// err is why there is no result; code and words are Bitrix24's own, unmasked.
	err         *crm.Error
	code, words string
}

type (
	// row is an object of the API, table one of which the members are read later.
	row   = map[string]any
	table map[string]json.RawMessage
)

// UnmarshalJSON reads an object, or the [] that PHP makes of an empty one.
func (t *table) UnmarshalJSON(data []byte) error {
	if bytes.Equal(bytes.TrimSpace(data), []byte("[]")) {
		return nil
	}
	return json.Unmarshal(data, (*map[string]json.RawMessage)(t))
}

// ask runs commands that have nothing to do with each other.
func (a *Adapter) ask(ctx context.Context, r api.Request, commands []command) []answer {
	groups := make([][]command, len(commands))
	for i := range commands {
		groups[i] = commands[i : i+1]
	}
	answers := make([]answer, len(commands))
	for i, group := range a.batch(ctx, r, groups) {
		answers[i] = group[0]
	}
	return answers
}

// batch runs groups of commands, each group in one request and as few requests as possible, and returns the answers to
// each group.
func (a *Adapter) batch(ctx context.Context, r api.Request, groups [][]command) [][]answer {
	answers := make([][]answer, len(groups))
	indices := make([]int, len(groups))
	for i := range groups {
		indices[i], answers[i] = i, make([]answer, len(groups[i]))
	}
	parts := api.Chunks(indices, 0, maxCommands, func(i int) int { return len(groups[i]) })
	errs := api.Each(len(parts), concurrency, func(n int) error {
		var commands []command
		var into []*answer
		for _, i := range parts[n] {
			commands = append(commands, groups[i]...)
			for k := range answers[i] {
				into = append(into, &answers[i][k])
			}
		}
		return a.exchange(ctx, r, commands, into, len(parts[n]))
	})
	for n, err := range errs {
		for _, i := range parts[n] {
			for k := range answers[i] {
				if said := &answers[i][k]; err != nil && said.title == "" {
					said.title, said.err = r.Title, crm.Classify(err) // not sent, after an error for all
				}
			}
		}
	}
	return answers
}

// exchange sends one batch of some groups and returns the first error that concerns the whole portal. A request of
// several groups that is refused as a whole says nothing against any one of them: none is given up at once for that.
func (a *Adapter) exchange(ctx context.Context, r api.Request, commands []command, into []*answer, groups int) error {
	if len(commands) == 0 {
		return nil
	}
	cmd, pretended := map[string]string{}, row{}
	for i := range commands {
		c := &commands[i]
		c.key = cmp.Or(c.key, fmt.Sprintf("c%02d", i))
		cmd[c.key], pretended[c.key] = c.method+"?"+c.params.Encode(), c.pretend
		if c.effect == api.Creates {
			r.Effect = api.Creates
		}
	}
	r.Method, r.Path, r.Budget, r.Pretend = http.MethodPost, "/batch", budget, row{"result": row{"result": pretended}}
	r.WithToken = func(token string) any {
		body := row{"halt": 0, "cmd": cmd} // encoding/json writes cmd in the order of its keys
		if token != "" {
			body["auth"] = token
		}
		return body
	}
	var said struct {
		Result struct {
			Result table `json:"result"`
			Error  table `json:"result_error"`
			Next   table `json:"result_next"`
			Time   table `json:"result_time"`
		} `json:"result"`
	}
	err := a.client.JSON(ctx, r, &said)
	if e := crm.Classify(err); err != nil && groups > 1 && (e.Kind == crm.KindInvalid || e.Kind == crm.KindGone) {
		of := *e
		of.Kind, err = crm.KindForbidden, &of
	}
	first := err
	for i, c := range commands {
		of := answer{title: r.Title, effect: c.effect, result: said.Result.Result[c.key]}
		of.more = said.Result.Next[c.key] != nil
		switch refused := said.Result.Error[c.key]; {
		case err != nil:
			of.err = crm.Classify(err)
		case refused != nil:
			a.refuse(&of, refused, said.Result.Time[c.key])
		case of.result == nil:
			of.err = unreadable(r.Title, c.effect)
		}
		if of.err != nil && first == nil && stops(of.err.Kind) {
			first = of.err
		}
		*into[i] = of
	}
	return first
}

// unreadable is the error of an answer that says nothing.
func unreadable(title string, effect api.Effect) *crm.Error {
	kind := crm.KindTransient
	if effect == api.Creates {
		kind = crm.KindInDoubt
	}
	return crm.Errorf(kind, title, "the answer cannot be read")
}

// into decodes a result; v nil: it only tells whether there is one.
func (of answer) into(v any) error {
	if of.err != nil {
		return of.err
	}
	decoder := json.NewDecoder(bytes.NewReader(of.result))
	decoder.UseNumber()
	if v != nil && decoder.Decode(v) != nil {
		return unreadable(of.title, of.effect)
	}
	return nil
}

// rows decodes a list: that of result, or of its items. An element that is no object is left out.
func (of answer) rows() ([]row, error) {
	var elements []any
	if err := of.into(&elements); err != nil {
		var listed struct{ Items []any }
		if of.err != nil || of.into(&listed) != nil {
			return nil, err
		}
		elements = listed.Items
	}
	var rows []row
	for _, element := range elements {
		if r, ok := element.(row); ok {
			rows = append(rows, r)
		}
	}
	return rows, nil
}
