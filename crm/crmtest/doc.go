// Package crmtest is the suite that every adapter must pass.
//
// # The model
//
// A Harness brings an adapter together with a fake of its CRM: an http.Handler that speaks the vendor's wire format,
// keeps what is written and says what it has (CRM). The suite puts a Server in front of it that can let requests go
// wrong (Fault) without the fake's help: answers that hang, break off, never end or are no answers at all, and answers
// that get lost after the CRM did its work. What differs by vendor, how an error looks, is given as Refusals.
//
// A Vendor is a fake that can do more, for tests of a whole daemon and for those of the suite that need it: it makes
// users, refuses single calls, and tells what of a call stands in it in the same units for all vendors. Server.Endure
// puts Weather in front of it: faults by chance, which a seed makes repeatable.
//
// An adapter that was told to wait sends nothing for as long, so tests that throttle take an adapter of their own.
//
// Every error that an adapter returns in the suite is searched for secrets, addresses and telephone numbers.
package crmtest
