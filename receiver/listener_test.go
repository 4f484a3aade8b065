package receiver

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPoliteConn closes a connection with a request in it that nobody has read: the sender sees the end of the stream,
// not a reset.
func TestPoliteConn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	for range 100 {
		sender, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		conn, err := politeListener{l}.Accept()
		require.NoError(t, err)
		_, err = io.WriteString(sender, "POST /webhooks/alohub HTTP/1.1\r\n")
		require.NoError(t, err)
		_, err = io.ReadFull(conn, make([]byte, 1)) // all of it has arrived, and most of it stays unread
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		_, err = sender.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, sender.Close())
	}
}
