package sandbox

import "time"

// contactSchema names the writable fields of a contact.
func contactSchema() schema[Contact] {
	return schema[Contact]{
		fields: []field[Contact]{
			text("name", maxShort, func(c *Contact) *string { return &c.Name }),
			text("phone", maxShort, func(c *Contact) *string { return &c.Phone }),
			text("transaction_id", maxShort, func(c *Contact) *string { return &c.TransactionID }),
			text("owner", maxShort, func(c *Contact) *string { return &c.Owner }),
		},
		readOnly: []string{"id", "custom", "created_at", "updated_at"},
		custom:   func(c *Contact) *map[string]any { return &c.Custom },
	}
}

// userSchema names the writable fields of a user.
func userSchema() schema[User] {
	return schema[User]{
		fields: []field[User]{
			text("name", maxShort, func(u *User) *string { return &u.Name }),
			text("extension", maxShort, func(u *User) *string { return &u.Extension }),
			text("email", maxShort, func(u *User) *string { return &u.Email }),
		},
		readOnly: []string{"id", "custom", "created_at", "updated_at"},
		custom:   func(u *User) *map[string]any { return &u.Custom },
	}
}

// callSchema names the writable fields of a call log.
func callSchema() schema[Call] {
	return schema[Call]{
		fields: []field[Call]{
			text("call_id", maxShort, func(c *Call) *string { return &c.CallID }),
			text("contact_id", maxShort, func(c *Call) *string { return &c.ContactID }),
			text("transaction_id", maxShort, func(c *Call) *string { return &c.TransactionID }),
			choice("direction", func(c *Call) *string { return &c.Direction }, inbound, outbound),
			text("status", maxShort, func(c *Call) *string { return &c.Status }),
			text("result", maxShort, func(c *Call) *string { return &c.Result }),
			text("agent", maxShort, func(c *Call) *string { return &c.Agent }),
			text("owner", maxShort, func(c *Call) *string { return &c.Owner }),
			text("phone", maxShort, func(c *Call) *string { return &c.Phone }),
			instant("started_at", func(c *Call) *time.Time { return &c.StartedAt }),
			instant("answered_at", func(c *Call) *time.Time { return &c.AnsweredAt }),
			instant("ended_at", func(c *Call) *time.Time { return &c.EndedAt }),
			seconds("total_seconds", func(c *Call) **int64 { return &c.TotalSeconds }),
			seconds("talk_seconds", func(c *Call) **int64 { return &c.TalkSeconds }),
			seconds("hold_seconds", func(c *Call) **int64 { return &c.HoldSeconds }),
			text("hotline", maxShort, func(c *Call) *string { return &c.Hotline }),
			text("extension", maxShort, func(c *Call) *string { return &c.Extension }),
			text("hangup_by", maxShort, func(c *Call) *string { return &c.HangupBy }),
			text("recording_url", maxLong, func(c *Call) *string { return &c.RecordingURL }),
			text("title", maxLong, func(c *Call) *string { return &c.Title }),
			text("note", maxNote, func(c *Call) *string { return &c.Note }),
		},
		readOnly: []string{"id", "custom", "created_at", "updated_at", "revision"},
		custom:   func(c *Call) *map[string]any { return &c.Custom },
	}
}

// The directions of a call.
const (
	inbound  = "inbound"
	outbound = "outbound"
)
