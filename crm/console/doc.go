// Package console shows operators, on one page, whether calls reach the CRM and what to do when they do not.
//
// # The model
//
// New returns the handler of the pages; the admin listener mounts it at / and decides who may see it. A page is
// rendered on the server from the same queries as the JSON API (admin.Queries), holds no script and reloads itself. For
// each question that an operator has there is one sentence and one of three levels: good, attention, problem.
//
// What a page costs is bounded: a handful of listings, at most a few dozen calls read in full, within a few seconds.
//
// # Traps
//
// Nearly everything shown came from outside: call ids, agent names, the CRM's error messages. html/template escapes it;
// on top, printable cuts it and makes control characters and those that turn the direction of writing visible, because
// an escaped text can still lie about itself. The policy of the page allows our own style sheet and icon and nothing
// else. Customers' numbers are masked.
package console
