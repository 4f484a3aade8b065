package api

import (
	"crypto/sha1" //nolint:gosec // UUID version 5 is defined by SHA-1; nothing is protected by it.
	"fmt"
)

// UUID5 returns the UUID, version 5 (RFC 9562), of a name in the namespace of URLs: always the same one for the same
// name. It is for CRMs that let the client choose the id of what it creates.
func UUID5(name string) string {
	const namespace = "\x6b\xa7\xb8\x11\x9d\xad\x11\xd1\x80\xb4\x00\xc0\x4f\xd4\x30\xc8"
	sum := sha1.Sum([]byte(namespace + name)) //nolint:gosec // see the import
	sum[6] = sum[6]&0x0f | 0x50
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}
