// Package crmtest is the suite that every adapter must pass.
//
// # The model
//
// A Harness brings an adapter together with a fake of its CRM: an http.Handler that speaks the vendor's wire format,
// keeps what is written and says what it has (CRM). The suite puts a Server in front of it that can let requests go
// wrong (Fault) without the fake's help: answers that hang, break off, never end or are no answers at all, and answers
// that get lost after the CRM did its work. What differs by vendor, how an error looks, is given as Refusals.
//
// Every error that an adapter returns in the suite is searched for secrets, addresses and telephone numbers.
package crmtest
