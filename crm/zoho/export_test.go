package zoho

// Domain shows how the host of the API is read from a token answer: a test cannot let a host of Zoho answer.
func Domain(raw map[string]any) (string, error) { return domain(raw) }
