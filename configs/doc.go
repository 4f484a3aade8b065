// Package configs loads the configuration of the daemon and says everything that is wrong with it at once.
//
// # The model
//
// A configuration comes in three layers: Default, laid over by a YAML file, laid over by environment variables. Every
// key has a path ("delivery.retry.max") and a variable named after it (CRMSYNCD_DELIVERY__RETRY__MAX). Every secret has
// a twin that ends in _file and names a file with the secret in it. Load remembers where each value came from, so that
// each Mistake can point at a line of the file or at a variable.
//
// The fields of Config are the one place where a key is made: its name is the tag koanf, its rules are the tag
// validate, its documentation is its comment, its default is in Default. Reference lists what follows from them. The
// table in the README is made of the same by a test (go test ./configs -update), which also holds the comments and the
// example files to the defaults.
//
// The section crm belongs to the adapter that crm.type names; its keys are those of the adapter's own Config. The table
// of adapters is in crm.go: a new CRM is one field and one line there.
//
// # Traps
//
// A list or a map that is given replaces the default one, nothing is merged into it. In the environment a list is
// separated by commas, and a map, as a list of sections, is written as YAML: CRMSYNCD_AGENTS__MAP='{an.nguyen: "17"}'.
//
// A key without a value ("listen:" and nothing after it) is a mistake, a section without keys is not.
//
// An unknown variable that begins with CRMSYNCD_ is a mistake, as an unknown key is: a typing error must not leave a
// default in force unseen. Kubernetes sets such variables by itself for a service named crmsyncd (CRMSYNCD_PORT,
// CRMSYNCD_SERVICE_HOST, …); those are let pass.
//
// Values of secrets, and of keys that are unknown and might be mistyped secrets, appear in no Mistake.
package configs
