package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// The layout of bbolt's meta pages (go.etcd.io/bbolt internal/common: Page and Meta), as far as inspect reads it.
const (
	bboltMagic   = 0xED0CDAED
	bboltVersion = 2
	pageHeader   = 16
	metaSize     = 64
	metaPages    = 2
)

// advice ends the errors about a file that cannot be used.
const advice = "restore a backup, or move the file away to start anew"

// inspect looks at a file before bbolt maps it: bbolt would take an empty file for a new database, and a file that is
// shorter than its meta page says ends the process with a fault that cannot be caught.
func inspect(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return errors.New("it is a folder; name a file in outbox.path")
	case info.Size() == 0:
		return fmt.Errorf("%w: it is empty; %s", outbox.ErrCorrupt, advice)
	}
	need, err := neededSize(f)
	if err != nil {
		return err
	}
	if info.Size() < need {
		return fmt.Errorf("%w: it is cut short: %d bytes, its pages reach to %d; %s", outbox.ErrCorrupt, info.Size(), need,
			advice)
	}
	if err := checkRoot(f); err != nil {
		return fmt.Errorf("%w; %s", err, advice)
	}
	return nil
}

// neededSize returns how far the pages of the file reach by its newest sound meta page.
func neededSize(f io.ReaderAt) (int64, error) {
	m, ok := newestMeta(f)
	if !ok {
		return 0, fmt.Errorf("%w: no meta page is sound, or it is not a bbolt file at all; %s", outbox.ErrCorrupt, advice)
	}
	return int64(m.pages) * int64(m.pageSize), nil
}

// newestMeta returns the newest sound meta page and reports whether there is one.
func newestMeta(f io.ReaderAt) (newest meta, sound bool) {
	for _, pageSize := range []int64{4096, 8192, 16384, 32768, 65536} {
		for page := range int64(metaPages) {
			m, ok := readMeta(f, page*pageSize)
			if !ok || int64(m.pageSize) != pageSize || (sound && m.txid < newest.txid) {
				continue
			}
			newest, sound = m, true
		}
	}
	return newest, sound
}

// meta is what is needed of a meta page: root is the page of the list of buckets, pages how many pages there are.
type meta struct {
	pageSize          uint32
	root, pages, txid uint64
}

// readMeta reads the meta page at offset and reports whether it is sound.
func readMeta(f io.ReaderAt, offset int64) (m meta, ok bool) {
	var page [pageHeader + metaSize]byte
	if _, err := f.ReadAt(page[:], offset); err != nil {
		return m, false
	}
	b := page[pageHeader:]
	order := binary.NativeEndian
	if order.Uint32(b) != bboltMagic || order.Uint32(b[4:]) != bboltVersion {
		return m, false
	}
	sum := fnv.New64a()
	_, _ = sum.Write(b[:56])
	if sum.Sum64() != order.Uint64(b[56:]) {
		return m, false
	}
	return meta{
		pageSize: order.Uint32(b[8:]), root: order.Uint64(b[16:]), pages: order.Uint64(b[40:]), txid: order.Uint64(b[48:]),
	}, true
}
