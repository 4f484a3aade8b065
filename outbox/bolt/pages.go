package bolt

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// The layout of bbolt's pages (go.etcd.io/bbolt internal/common: Page, branchPageElement, leafPageElement and InBucket),
// as far as tree reads it.
const (
	branchPage    = 1
	leafPage      = 2
	bucketElement = 1
	elementSize   = 16
)

// tree walks the pages of a file as they refer to each other, without bbolt: a page that refers to itself, or to one
// above it, keeps a cursor of bbolt going until the memory is used up.
type tree struct {
	file     io.ReaderAt
	pageSize int64
	pages    uint64
	seen     map[uint64]bool
}

// checkTree returns an error when a page of the file is referred to twice.
func checkTree(file io.ReaderAt) error {
	m, ok := newestMeta(file)
	if !ok {
		return fmt.Errorf("%w: no meta page is sound", outbox.ErrCorrupt)
	}
	t := tree{file: file, pageSize: int64(m.pageSize), pages: m.pages, seen: map[uint64]bool{}}
	return t.visit(m.root)
}

// visit walks a page and those below it. What else is wrong with them is for others to find.
func (t *tree) visit(id uint64) error {
	switch {
	case id >= t.pages:
		return nil
	case t.seen[id]:
		return fmt.Errorf("%w: page %d is referred to twice, perhaps in a circle", outbox.ErrCorrupt, id)
	}
	t.seen[id] = true
	var head [pageHeader]byte
	if _, err := t.file.ReadAt(head[:], int64(id)*t.pageSize); err != nil {
		return err
	}
	order := binary.NativeEndian
	flags, count := order.Uint16(head[8:]), int64(order.Uint16(head[10:]))
	for i := range count {
		var element [elementSize]byte
		at := int64(id)*t.pageSize + pageHeader + i*elementSize
		if _, err := t.file.ReadAt(element[:], at); err != nil {
			return err
		}
		var child uint64
		switch {
		case flags == branchPage:
			child = order.Uint64(element[8:])
		case flags == leafPage && order.Uint32(element[:])&bucketElement != 0:
			var bucket [8]byte // the root of a bucket is the first thing in its value, 0 when all of it is in there
			value := at + int64(order.Uint32(element[4:])) + int64(order.Uint32(element[8:]))
			if _, err := t.file.ReadAt(bucket[:], value); err != nil {
				continue
			}
			child = order.Uint64(bucket[:])
		}
		if child == 0 {
			continue
		}
		if err := t.visit(child); err != nil {
			return err
		}
	}
	return nil
}
