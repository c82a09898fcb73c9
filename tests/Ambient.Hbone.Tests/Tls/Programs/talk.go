// Go's TLS as a peer: what comes on standard input is sent, what comes from the peer is shown.
// talk client|server PORT FOLDER
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "failed:", err)
		os.Exit(1)
	}
}

func main() {
	role, address, folder := os.Args[1], "127.0.0.1:"+os.Args[2], os.Args[3]
	own, err := tls.LoadX509KeyPair(filepath.Join(folder, "cert-chain.pem"), filepath.Join(folder, "key.pem"))
	must(err)
	pem, err := os.ReadFile(filepath.Join(folder, "root-cert.pem"))
	must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := &tls.Config{
		Certificates: []tls.Certificate{own},
		RootCAs:      roots,
		ClientCAs:    roots,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		MinVersion:   tls.VersionTLS13,
		NextProtos:   []string{"h2"},
		// A SPIFFE ID is not a name that it knows how to verify: the chain is verified here, as clients of SPIFFE do.
		InsecureSkipVerify: role == "client",
		VerifyConnection: func(state tls.ConnectionState) error {
			if role != "client" {
				return nil
			}
			between := x509.NewCertPool()
			for _, each := range state.PeerCertificates[1:] {
				between.AddCert(each)
			}
			_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
			return err
		},
	}

	var connection *tls.Conn
	if role == "client" {
		connection, err = tls.Dial("tcp", address, config)
		must(err)
	} else {
		listener, err := tls.Listen("tcp", address, config)
		must(err)
		fmt.Println("listening")
		accepted, err := listener.Accept()
		must(err)
		connection = accepted.(*tls.Conn)
		must(connection.Handshake())
	}

	state := connection.ConnectionState()
	fmt.Printf("open: %x %s\n", state.Version, state.NegotiatedProtocol)
	go func() {
		io.Copy(connection, os.Stdin)
		connection.CloseWrite()
	}()
	_, err = io.Copy(os.Stdout, connection)
	must(err)
	connection.Close()
}
