package dynamicstest

import (
	"encoding/json"
	"math"
	"strings"
	"time"
	"unicode/utf16"
)

// table is the definition of a table.
type table struct {
	name, set string
	columns   map[string]*column
}

// column is the definition of a column. Length bounds texts and Max numbers; readOnly ones are set by the CRM alone.
type column struct {
	kind     string // an AttributeType
	length   int
	max      int64
	readOnly bool
}

// schema returns the tables of an environment.
func schema(bare bool) map[string]*table {
	text := func(length int) *column { return &column{kind: "String", length: length} }
	number := func(most int64) *column { return &column{kind: "Integer", max: most} }
	tables := map[string]*table{}
	add := func(name, set string, columns map[string]*column) {
		columns[name+"id"] = &column{kind: "Uniqueidentifier", readOnly: true}
		columns["statecode"], columns["statuscode"] = &column{kind: "State", max: 9}, &column{kind: "Status", max: 9}
		tables[name] = &table{name: name, set: set, columns: columns}
	}
	for name, set := range map[string]string{
		"contact": "contacts", "lead": "leads", "opportunity": "opportunities", "account": "accounts",
	} {
		add(name, set, map[string]*column{
			"telephone1": text(50), "mobilephone": text(50), "lastname": text(50), "subject": text(300), "name": text(160),
			"revenue": {kind: "Money"}, "description": {kind: "Memo", length: 2000},
		})
		if !bare {
			tables[name].columns[TransactionID] = text(255)
		}
	}
	add("systemuser", "systemusers", map[string]*column{
		"internalemailaddress": text(100), "domainname": text(1024), "isdisabled": {kind: "Boolean"},
	})
	delete(tables["systemuser"].columns, "systemuserid")
	tables["systemuser"].columns["systemuserid"] = &column{kind: "Uniqueidentifier", readOnly: true}
	add("phonecall", "phonecalls", map[string]*column{
		"subject": text(200), "phonenumber": text(200), "category": text(250), "subcategory": text(250),
		"description": {kind: "Memo", length: 2000}, "directioncode": {kind: "Boolean"}, "leftvoicemail": {kind: "Boolean"},
		"actualstart": {kind: "DateTime"}, "actualend": {kind: "DateTime"}, "scheduledend": {kind: "DateTime"},
		"actualdurationminutes": number(math.MaxInt32), "createdon": {kind: "DateTime", readOnly: true},
	})
	if !bare {
		calls := tables["phonecall"].columns
		calls[CallID], calls[Seconds], calls[Recording], calls["new_queue"] = text(255), number(math.MaxInt32), text(2000),
			text(100)
	}
	return tables
}

// bySet returns the table of an entity set, nil where there is none.
func (c *CRM) bySet(set string) *table {
	for _, t := range c.tables {
		if t.set == set {
			return t
		}
	}
	return nil
}

// read takes a JSON value for a column.
func (t *table) read(name string, raw json.RawMessage) (any, *fault) {
	col := t.columns[name]
	if col == nil || col.readOnly {
		return nil, payload(t, "The property '"+name+"' does not exist on type 'Microsoft.Dynamics.CRM."+t.name+
			"'. Make sure to only use property names that are defined by the type.")
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil || value == nil {
		return nil, nil
	}
	ok := false
	switch v := value.(type) {
	case string:
		_, err := time.Parse(time.RFC3339, v)
		ok = col.kind == "String" || col.kind == "Memo" || col.kind == "DateTime" && err == nil
		if ok && col.length > 0 && len(utf16.Encode([]rune(v))) > col.length {
			return nil, refuse(400, "0x80044331", "A validation error occurred.  The length of the '%s' attribute of the '%s' "+
				"entity exceeded the maximum allowed length of '%d'.", name, t.name, col.length)
		}
	case bool:
		ok = col.kind == "Boolean"
	case float64:
		if ok = v == math.Trunc(v) && col.max > 0; ok && (v < 0 || int64(v) > col.max) {
			return nil, refuse(400, "0x80044330", "A validation error occurred. The value of '%s' on record of type '%s' is "+
				"outside the valid range.", name, t.name)
		}
		value = int64(v)
	}
	if !ok {
		return nil, payload(t, "Cannot convert the literal '"+strings.Trim(string(raw), `"`)+
			"' to the expected type of '"+name+"'.")
	}
	return value, nil
}

// payload is the fault of a body that does not fit a table.
func payload(t *table, words string) *fault {
	return refuse(400, "0x80048d19", "Error identified in Payload provided by the user for Entity :'%s', For more "+
		"information on this error please follow this help link https://go.microsoft.com/fwlink/?linkid=2195293  ---->  "+
		"InnerException : Microsoft.OData.ODataException: %s", t.set, words)
}
