package bolt

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// The layout of bbolt's pages (go.etcd.io/bbolt internal/common: Page, branchPageElement, leafPageElement and
// InBucket), as far as tree reads it.
const (
	branchPage    = 1
	leafPage      = 2
	bucketElement = 1
	elementSize   = 16
	bucketHeader  = 16
)

// tree reads the pages of a file without bbolt, which trusts them: it follows an offset out of a page to wherever that
// leads, and a page that refers to itself until the memory is used up. Neither can be caught.
type tree struct {
	file io.ReaderAt
	meta
	seen map[uint64]bool
}

// newTree returns the pages of a file as its newest sound meta page has them.
func newTree(file io.ReaderAt) (*tree, error) {
	m, ok := newestMeta(file)
	if !ok {
		return nil, fmt.Errorf("%w: no meta page is sound", outbox.ErrCorrupt)
	}
	return &tree{file: file, meta: m, seen: map[uint64]bool{}}, nil
}

// checkRoot checks the page with the list of buckets and the small buckets in it, which every opening reads.
func checkRoot(file io.ReaderAt) error {
	t, err := newTree(file)
	if err != nil {
		return err
	}
	_, err = t.page(t.root)
	return err
}

// checkTree checks every page that the list of buckets leads to.
func checkTree(file io.ReaderAt) error {
	t, err := newTree(file)
	if err != nil {
		return err
	}
	return t.visit(t.root)
}

// visit checks a page and those below it.
func (t *tree) visit(id uint64) error {
	if t.seen[id] {
		return fmt.Errorf("%w: page %d is referred to twice, perhaps in a circle", outbox.ErrCorrupt, id)
	}
	t.seen[id] = true
	children, err := t.page(id)
	if err != nil {
		return err
	}
	for _, child := range children {
		if err := t.visit(child); err != nil {
			return err
		}
	}
	return nil
}

// page checks one page and returns those that it refers to.
func (t *tree) page(id uint64) (children []uint64, err error) {
	damaged := func(why string) error { return fmt.Errorf("%w: page %d %s", outbox.ErrCorrupt, id, why) }
	if id < metaPages || id >= t.pages {
		return nil, damaged("is not one of the file's")
	}
	var head [pageHeader]byte
	at := int64(id) * int64(t.pageSize)
	if _, err := t.file.ReadAt(head[:], at); err != nil {
		return nil, err
	}
	further := uint64(binary.NativeEndian.Uint32(head[12:]))
	if binary.NativeEndian.Uint64(head[:]) != id || further >= t.pages-id {
		return nil, damaged("is not what it should be")
	}
	page := make([]byte, int64(further+1)*int64(t.pageSize))
	if _, err := t.file.ReadAt(page, at); err != nil {
		return nil, err
	}
	children, ok := references(page)
	if !ok {
		return nil, damaged("is not in order")
	}
	return children, nil
}

// references returns the pages that a branch or leaf page refers to, and reports whether all that it says of its
// elements lies within it. In a leaf a bucket is an element whose value begins with its root page, or with 0 when the
// bucket is so small that its own page follows in the value.
func references(page []byte) (children []uint64, ok bool) {
	order := binary.NativeEndian
	flags, count := order.Uint16(page[8:]), int(order.Uint16(page[10:]))
	if (flags != branchPage && flags != leafPage) || pageHeader+count*elementSize > len(page) {
		return nil, false
	}
	for i := range count {
		at := pageHeader + i*elementSize
		element := page[at:]
		if flags == branchPage {
			if at+int(order.Uint32(element))+int(order.Uint32(element[4:])) > len(page) {
				return nil, false
			}
			children = append(children, order.Uint64(element[8:]))
			continue
		}
		value := at + int(order.Uint32(element[4:])) + int(order.Uint32(element[8:]))
		end := value + int(order.Uint32(element[12:]))
		if end > len(page) {
			return nil, false
		}
		if order.Uint32(element)&bucketElement == 0 {
			continue
		}
		bucket := page[value:end]
		if len(bucket) < bucketHeader {
			return nil, false
		}
		if root := order.Uint64(bucket); root != 0 {
			children = append(children, root)
			continue
		}
		small := bucket[bucketHeader:]
		if len(small) < pageHeader || order.Uint16(small[8:]) != leafPage {
			return nil, false
		}
		if within, ok := references(small); !ok || len(within) > 0 {
			return nil, false
		}
	}
	return children, true
}
