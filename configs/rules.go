package configs

import (
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/go-playground/validator/v10"
	"github.com/nyaruka/phonenumbers"

	"github.com/crmsyncd/crmsyncd/configs/secret"
)

// minSecret is how many characters a key or token of ours must have.
const minSecret = 16

// rule is a rule of our own: its name in the tag validate, its test, and what is right.
type rule struct {
	name    string
	holds   func(reflect.Value) bool
	problem string
}

// rules are those that the validator does not have.
func rules() []rule {
	return []rule{
		{"listen", isListen, "is not an address to listen on: write host:port, such as 127.0.0.1:8080"},
		{"time_zone", isTimeZone, "is not a time zone: write a name of the IANA list, such as Asia/Ho_Chi_Minh"},
		{"phone_region", isPhoneRegion, "is not a region with phone numbers: write a code of ISO 3166, such as VN"},
		{
			"base_url", isBaseURL,
			"is not a base URL: write http:// or https://, a host and perhaps a path, without user, query and fragment",
		},
		{
			"secret", isStrong,
			"must have at least 16 characters, all of them visible ASCII, and no spaces at its ends; " + howToMake,
		},
		{"crm_type", isCRMType, "must be the type of a CRM adapter: " + adapterNames()},
	}
}

// newRules returns a validator that knows our rules and names fields as operators do.
func newRules() (*validator.Validate, error) {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(fieldName)
	for _, r := range rules() {
		holds := func(field validator.FieldLevel) bool { return r.holds(field.Field()) }
		if err := v.RegisterValidation(r.name, holds); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// explanation says what is right by one of our rules.
func explanation(name string) string {
	for _, r := range rules() {
		if r.name == name {
			return r.problem
		}
	}
	return "breaks the rule " + name
}

func isListen(v reflect.Value) bool {
	_, err := parseListen(v.String())
	return err == nil
}

func isTimeZone(v reflect.Value) bool {
	// An empty name is UTC to time.LoadLocation and Local the machine's zone; neither is what anybody means here.
	name := v.String()
	_, err := time.LoadLocation(name)
	return err == nil && name != "" && name != "Local"
}

func isPhoneRegion(v reflect.Value) bool {
	return phonenumbers.GetSupportedRegions()[v.String()]
}

func isBaseURL(v reflect.Value) bool {
	u, err := url.Parse(v.String())
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" &&
		u.User == nil && u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
}

func isStrong(v reflect.Value) bool {
	s, ok := reflect.TypeAssert[secret.String](v)
	text := s.Reveal()
	visible := !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
	return ok && visible && len(text) >= minSecret && strings.TrimSpace(text) == text
}

func isCRMType(v reflect.Value) bool {
	_, ok := adapterOf(v.String())
	return ok
}
