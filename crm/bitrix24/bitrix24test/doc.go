// Package bitrix24test is a fake of Bitrix24's REST API, as far as a telephony integration needs it.
//
// # The model
//
// A CRM serves three kinds of address, as the product does: /rest/METHOD for applications (the access token stands in
// the body as auth), /rest/USER/CODE/METHOD for incoming webhooks, and /oauth/token/ for tokens. Methods are called one
// by one or as commands of a batch; a batch always answers 200, with result and result_error by key. References like
// $result[KEY][FIELD] are put in as the product does it.
//
// It is written from the vendor's documentation (github.com/bitrix24/b24restdocs): telephony, voximplant.statistic.get,
// crm.item.list, crm.duplicate.findbycomm, crm.activity.*, batch, limits, system errors. Where that is silent it does
// what the published source of the product's telephony does: a registration ends with its finish, so that a register
// that comes after it makes a new call, and only registrations of calls that began within the last 30 minutes are
// recognised at all.
//
// # Traps
//
// Empty objects are sent as [] and many numbers as texts, as PHP does.
package bitrix24test
