package odootest

// field is a field of a model.
type field struct {
	Type     string
	Relation string
	Options  []string
	Required bool
	Default  any
}

// schema returns the models with their fields.
func schema(o Options) map[string]map[string]field {
	char, flag := field{Type: "char"}, field{Type: "boolean"}
	to := func(model string) field { return field{Type: "many2one", Relation: model} }
	people := func() map[string]field {
		fields := map[string]field{
			"id": {Type: "integer"}, "name": {Type: "char"}, "phone": char, "phone_sanitized": char, "user_id": to("res.users"),
			"active": {Type: "boolean", Default: true}, "x_transaction_id": char,
		}
		if o.Version != "" && o.Version < "19" {
			fields["mobile"] = char
		}
		if o.Bare {
			delete(fields, "x_transaction_id")
		}
		return fields
	}
	lead := people()
	lead["name"] = field{Type: "char", Required: true}
	models := map[string]map[string]field{
		"res.partner": people(), "crm.lead": lead,
		"res.users": {
			"id": {Type: "integer"}, "name": char, "login": char, "email": char, "share": flag, "active": flag,
		},
		"ir.model": {"id": {Type: "integer"}, "model": char},
		"ir.model.fields": {
			"id": {Type: "integer"}, "name": char, "model_id": to("ir.model"), "ttype": char, "state": char, "index": flag,
			"field_description": char, "relation": char, "size": {Type: "integer"},
		},
	}
	if o.OwnModel != "" {
		models[o.OwnModel] = ownModel(o)
	} else {
		models["crm.phonecall"] = phonecall(o)
	}
	return models
}

// phonecall is the model of OCA/crm, crm_phonecall.
func phonecall(o Options) map[string]field {
	fields := map[string]field{
		"id": {Type: "integer"}, "name": {Type: "char", Required: true}, "date": {Type: "datetime"},
		"duration": {Type: "float"}, "partner_phone": {Type: "char"}, "partner_mobile": {Type: "char"},
		"state": {
			Type: "selection", Options: []string{"open", "cancel", "pending", "done"}, Default: "open",
		},
		"partner_id":     {Type: "many2one", Relation: "res.partner"},
		"opportunity_id": {Type: "many2one", Relation: "crm.lead"},
		"user_id":        {Type: "many2one", Relation: "res.users"},
		"description":    {Type: "text"}, "active": {Type: "boolean", Default: true},
		"direction":       {Type: "selection", Options: []string{"in", "out"}, Default: "out", Required: true},
		"x_recording_url": {Type: "char"}, "x_call_id": {Type: "char"},
	}
	if o.HTML {
		fields["description"] = field{Type: "html"}
	}
	if o.OldPhonecall {
		delete(fields, "direction")
	}
	if o.Bare {
		delete(fields, "x_recording_url")
		delete(fields, "x_call_id")
	}
	return fields
}

// ownModel is one that was made for the purpose; bare, it has a name only.
func ownModel(o Options) map[string]field {
	fields := map[string]field{"id": {Type: "integer"}, "x_name": {Type: "char", Required: true}}
	if o.Bare {
		return fields
	}
	for _, name := range []string{"x_state", "x_direction", "x_phone", "x_recording_url", "x_call_id"} {
		fields[name] = field{Type: "char"}
	}
	fields["x_start"] = field{Type: "datetime"}
	fields["x_duration"] = field{Type: "integer"}
	fields["x_description"] = field{Type: "text"}
	fields["x_partner_id"] = field{Type: "many2one", Relation: "res.partner"}
	fields["x_lead_id"] = field{Type: "many2one", Relation: "crm.lead"}
	fields["x_user_id"] = field{Type: "many2one", Relation: "res.users"}
	return fields
}
