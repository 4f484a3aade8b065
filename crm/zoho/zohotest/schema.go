package zohotest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// field is the description of a field.
type field struct {
	APIName  string         `json:"api_name"`
	Label    string         `json:"field_label"`
	DataType string         `json:"data_type"`
	Length   int            `json:"length"`
	Unique   map[string]any `json:"unique"`
	Custom   bool           `json:"custom_field"`
	Values   []choice       `json:"pick_list_values"`
}

type choice struct {
	Display string `json:"display_value"`
	Actual  string `json:"actual_value"`
}

// schema returns the fields of an account by module and name.
func schema(o Options) map[string]map[string]*field {
	modules := make(map[string]map[string]*field)
	add := func(module, dataType string, length int, names ...string) {
		if modules[module] == nil {
			modules[module] = make(map[string]*field)
		}
		for _, name := range names {
			modules[module][name] = &field{
				APIName: name, Label: strings.ReplaceAll(name, "_", " "), DataType: dataType, Length: length,
				Unique: map[string]any{}, Values: []choice{},
			}
		}
	}
	for _, module := range []string{"Contacts", "Leads", "Deals", "Calls"} {
		add(module, "ownerlookup", 120, "Owner")
		add(module, "textarea", 32_000, "Description")
		if !o.Bare && module != "Calls" {
			add(module, "text", 255, TransactionID)
			modules[module][TransactionID].Custom = true
		}
	}
	for _, module := range []string{"Contacts", "Leads"} {
		add(module, "text", 80, "Last_Name", "First_Name")
		add(module, "phone", 30, "Phone", "Mobile")
	}
	add("Leads", "text", 200, "Company")
	add("Deals", "text", 120, "Deal_Name")
	add("Calls", "text", 255, "Subject", "Call_Duration", "Caller_ID")
	add("Calls", "text", o.RecordingLength, Recording)
	add("Calls", "datetime", 0, "Call_Start_Time")
	add("Calls", "integer", 9, "Call_Duration_in_seconds")
	add("Calls", "lookup", 120, "Who_Id", "What_Id")
	add("Calls", "picklist", 120, "Call_Type", "Call_Result", "Call_Purpose")
	for _, value := range []string{"-None-", "Interested", "No response/Busy"} {
		modules["Calls"]["Call_Result"].Values = append(modules["Calls"]["Call_Result"].Values, choice{value, value})
	}
	if !o.Bare {
		add("Calls", "text", 255, CallID)
		if f := modules["Calls"][CallID]; !o.NoUnique {
			f.Custom, f.Unique = true, map[string]any{"casesensitive": "true"}
		}
	}
	return modules
}

// describe serves the fields of a module. The caller holds the lock.
func (c *CRM) describe(r *http.Request) (any, *fault) {
	fields, found := c.fields[r.URL.Query().Get("module")]
	if !found {
		return nil, bad("INVALID_MODULE", "the module name given seems to be invalid", nil)
	}
	all := make([]*field, 0, len(fields))
	for _, f := range fields {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b *field) int { return strings.Compare(a.APIName, b.APIName) })
	return map[string]any{"fields": all}, nil
}

// createFields makes fields of a module. The API name is the label with underscores. The caller holds the lock.
func (c *CRM) createFields(r *http.Request, body []byte) (any, *fault) {
	module := r.URL.Query().Get("module")
	var request struct {
		Fields []struct {
			Label    string         `json:"field_label"`
			DataType string         `json:"data_type"`
			Length   int            `json:"length"`
			Unique   map[string]any `json:"unique"`
		} `json:"fields"`
	}
	if err := json.Unmarshal(body, &request); err != nil || c.fields[module] == nil || len(request.Fields) == 0 {
		return nil, bad("INVALID_DATA", "invalid data", map[string]any{"api_name": "fields"})
	}
	var results []any
	for _, f := range request.Fields {
		name := strings.ReplaceAll(f.Label, " ", "_")
		switch {
		case c.fields[module][name] != nil:
			results = append(results, failure("DUPLICATE_DATA", "duplicate data", map[string]any{"api_name": "field_label"}))
			continue
		case f.DataType != "text" || f.Length < 1 || f.Length > 255 || f.Label == "":
			results = append(results, failure("INVALID_DATA", "invalid data", map[string]any{"api_name": "data_type"}))
			continue
		case module == "Calls" && f.Unique != nil && c.options.NoUnique:
			results = append(results, failure("NOT_SUPPORTED", "unique is not supported", map[string]any{"api_name": "unique"}))
			continue
		}
		made := &field{
			APIName: name, Label: f.Label, DataType: "text", Length: f.Length, Unique: map[string]any{}, Custom: true,
			Values: []choice{},
		}
		if f.Unique != nil {
			made.Unique = f.Unique
		}
		c.fields[module][name] = made
		results = append(results, success("field created", map[string]any{"id": c.newID()}))
	}
	return map[string]any{"fields": results}, nil
}
