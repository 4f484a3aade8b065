package configs

import (
	"errors"
	"regexp"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm/bitrix24"
	"github.com/crmsyncd/crmsyncd/crm/dynamics"
	"github.com/crmsyncd/crmsyncd/crm/espocrm"
	"github.com/crmsyncd/crmsyncd/crm/getfly"
	"github.com/crmsyncd/crmsyncd/crm/hubspot"
	"github.com/crmsyncd/crmsyncd/crm/odoo"
	"github.com/crmsyncd/crmsyncd/crm/pipedrive"
	"github.com/crmsyncd/crmsyncd/crm/rest"
	"github.com/crmsyncd/crmsyncd/crm/salesforce"
	"github.com/crmsyncd/crmsyncd/crm/suitecrm"
	"github.com/crmsyncd/crmsyncd/crm/zoho"
)

// adapters is the table of CRMs. A new one is a field of CRM, its default in Default, and a line here.
func adapters() []adapter {
	return []adapter{
		{bitrix24.Name, func(c *CRM) section { return &c.Bitrix24 }, withPath},
		{dynamics.Name, func(c *CRM) section { return &c.Dynamics }, withPath},
		{espocrm.Name, func(c *CRM) section { return &c.Espocrm }, withPath},
		{getfly.Name, func(c *CRM) section { return &c.Getfly }, withPath},
		{hubspot.Name, func(c *CRM) section { return &c.Hubspot }, withPath},
		{odoo.Name, func(c *CRM) section { return &c.Odoo }, withPath},
		{pipedrive.Name, func(c *CRM) section { return &c.Pipedrive }, withPath},
		{rest.Name, func(c *CRM) section { return &c.Rest }, as(func(e *rest.ConfigError) problem { return problem(*e) })},
		{salesforce.Name, func(c *CRM) section { return &c.Salesforce }, withPath},
		{suitecrm.Name, func(c *CRM) section { return &c.Suitecrm }, withPath},
		{zoho.Name, func(c *CRM) section { return &c.Zoho }, withPath},
	}
}

// adapter is what has to be known of one CRM.
type adapter struct {
	// name is the value of crm.type.
	name string
	// section returns a pointer to the adapter's part of CRM.
	section func(*CRM) section
	// problem takes an error of Validate apart, if it is the adapter's own.
	problem func(error) (problem, bool)
}

// section is the configuration of an adapter. Validate returns what is wrong, joined by errors.Join.
type section interface{ Validate() error }

// problem is what an adapter finds wrong, Path being seen from its section.
type problem struct{ Path, Value, Problem string }

// as recognises an adapter's own type of error.
func as[E error](convert func(E) problem) func(error) (problem, bool) {
	return func(err error) (problem, bool) {
		if e, ok := errors.AsType[E](err); ok {
			return convert(e), true
		}
		return problem{}, false
	}
}

// keyPath is what a mistake begins with that says where it is: "objects[1].name: ".
var keyPath = regexp.MustCompile(`^([a-z_0-9]+(?:\[\d+\])?(?:\.[a-z_0-9]+(?:\[\d+\])?)*): (.+)$`)

// withPath takes an error apart whose text begins with the path of a key.
func withPath(err error) (problem, bool) {
	parts := keyPath.FindStringSubmatch(err.Error())
	if parts == nil {
		return problem{}, false
	}
	return problem{Path: parts[1], Problem: parts[2]}, true
}

// adapterOf returns the adapter of a type.
func adapterOf(name string) (adapter, bool) {
	for _, a := range adapters() {
		if a.name == name {
			return a, true
		}
	}
	return adapter{}, false
}

// adapterNames lists the types for messages.
func adapterNames() string { return strings.Join(Adapters(), ", ") }

// problems returns what the adapter finds wrong with its section.
func (a adapter) problems(c *CRM) []problem {
	var found []problem
	for _, err := range parts(a.section(c).Validate()) {
		p, ok := a.problem(err)
		if !ok {
			p = problem{Problem: err.Error()}
		}
		found = append(found, p)
	}
	return found
}

// joined is what errors.Join returns.
type joined interface {
	error
	Unwrap() []error
}

// parts takes joined errors apart, however deep they are nested.
func parts(err error) []error {
	if err == nil {
		return nil
	}
	several, ok := errors.AsType[joined](err)
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range several.Unwrap() {
		all = append(all, parts(e)...)
	}
	return all
}
