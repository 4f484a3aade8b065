package receiver

import "net"

// politeListener gives out connections that say goodbye, see politeConn.
type politeListener struct{ net.Listener }

// Accept waits for the next connection.
func (l politeListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		return politeConn{tcp}, err
	}
	return conn, err
}

// politeConn sends the end of the stream before it closes. The kernel resets a connection that is closed with a request
// in it that nobody has read yet, as happens to idle ones when the server stops: the sender then finds a fault of the
// network where there was none. After the end of the stream the reset comes too late to matter.
type politeConn struct{ *net.TCPConn }

// Close ends both directions, ours first.
func (c politeConn) Close() error {
	_ = c.CloseWrite() // it fails where the sender has gone before us
	return c.TCPConn.Close()
}
