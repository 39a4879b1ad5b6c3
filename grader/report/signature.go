package report

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"moulinette/grader/spec"
)

// Signature is how whoever has the key knows that not a byte of a report was
// changed since the grader wrote it.
type Signature struct {
	Algorithm string `json:"algorithm"`
	Key       string `json:"key"` // tells keys apart, and nothing of a key
	MAC       string `json:"mac"` // of the whole report, with this text all zeros
}

const algorithm = "HMAC-SHA256"

// MinKey is the least length of a key, in bytes.
const MinKey = 16

// blank stands for the MAC while it is computed.
var blank = bytes.Repeat([]byte("0"), 2*sha256.Size)

// Refusal says why a report is not what its grader wrote.
type Refusal struct{ spec.Text }

func (r *Refusal) Error() string { return r.EN }

func refuse(fr, en string) error { return &Refusal{spec.Text{FR: fr, EN: en}} }

// signed writes a document with its signature.
func signed(w io.Writer, d Document, key []byte) error {
	d.Signature = &Signature{Algorithm: algorithm, Key: keyName(key), MAC: string(blank)}
	var out bytes.Buffer
	if err := encode(&out, d); err != nil {
		return err
	}
	text := out.Bytes()
	at := bytes.LastIndex(text, blank) // the signature is the last of the document
	copy(text[at:], mac(text, key))
	_, err := w.Write(text)
	return err
}

// Verify tells whether a JSON report was signed with key and is as it was then;
// the error is a [*Refusal] if not. What it returns is to be believed.
func Verify(text, key []byte) (*Document, error) {
	d := &Document{}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("no JSON report: %w", err)
	}
	s := d.Signature
	switch {
	case s == nil:
		return nil, refuse("le rapport n'est pas signé", "the report is not signed")
	case s.Algorithm != algorithm || len(s.MAC) != len(blank):
		return nil, refuse("la signature n'est pas d'un genre connu", "the signature is of no known kind")
	case s.Key != keyName(key):
		return nil, refuse("le rapport est signé avec une autre clé", "the report is signed with another key")
	}
	at := bytes.LastIndex(text, []byte(s.MAC))
	if at < 0 {
		return nil, changed()
	}
	bare := bytes.Clone(text)
	copy(bare[at:], blank)
	if !hmac.Equal(mac(bare, key), []byte(s.MAC)) {
		return nil, changed()
	}
	return d, nil
}

func changed() error {
	return refuse("le rapport a été modifié après sa signature", "the report was changed after it was signed")
}

// mac is in hexadecimal.
func mac(text, key []byte) []byte {
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "moulinette report %d\n", len(text))
	h.Write(text)
	return hex.AppendEncode(nil, h.Sum(nil))
}

func keyName(key []byte) string {
	h := hmac.New(sha256.New, key)
	_, _ = io.WriteString(h, "moulinette key")
	return hex.EncodeToString(h.Sum(nil)[:8])
}
