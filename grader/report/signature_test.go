package report_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"moulinette/grader/report"
)

var secret = []byte("a secret of more than 16 bytes")

func signedReport(t *testing.T) []byte {
	t.Helper()
	sheet := failing()
	// A text that a submission chose looks like a signature.
	sheet.Rows[0].Reason = text("\"mac\": \""+strings.Repeat("0", 64)+"\"", "")
	sheet.Content = "1234"
	var out bytes.Buffer
	if err := report.Write(&out, "json", sheet, report.Options{Lang: "en", Key: secret}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestSignatureIsBelieved(t *testing.T) {
	d, err := report.Verify(signedReport(t), secret)
	if err != nil || d.Content != "1234" || d.Exercise != "truman_container" {
		t.Errorf("got %+v, %v; want the report", d, err)
	}
}

// TestNoByteCanBeChanged tries every one.
func TestNoByteCanBeChanged(t *testing.T) {
	good := signedReport(t)
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if d, err := report.Verify(bad, secret); err == nil {
			t.Fatalf("byte %d changed: got %+v; want a refusal", i, d)
		}
	}
}

func TestRefusals(t *testing.T) {
	good := string(signedReport(t))
	var unsigned bytes.Buffer
	if err := report.Write(&unsigned, "json", failing(), report.Options{Lang: "en"}); err != nil {
		t.Fatal(err)
	}
	at := strings.Index(good, "\"signature\"")
	for _, test := range []struct{ name, text, key, want string }{
		{"another key", good, "another secret of some length", "signed with another key"},
		{"no signature", unsigned.String(), string(secret), "not signed"},
		{"a better score", strings.Replace(good, "\"score\": ", "\"score\": 1", 1), string(secret), "was changed"},
		{"a space more", good + " ", string(secret), "was changed"},
		{"a signature of another report", unsigned.String()[:unsigned.Len()-3] + ",\n  " + good[at:], string(secret), "was changed"},
		{"another kind", strings.Replace(good, "HMAC-SHA256", "none", 1), string(secret), "no known kind"},
		{"a second score", good[:len(good)-2] + ",\n\"score\": 100}\n", string(secret), "was changed"},
		{"no mac", good[:at] + "\"signature\": {\"algorithm\": \"HMAC-SHA256\"}}", string(secret), "no known kind"},
	} {
		_, err := report.Verify([]byte(test.text), []byte(test.key))
		var no *report.Refusal
		if !errors.As(err, &no) || !strings.Contains(no.EN, test.want) || no.FR == "" {
			t.Errorf("%s: got %v; want %q", test.name, err, test.want)
		}
	}
	if _, err := report.Verify([]byte("{"), secret); err == nil || errors.As(err, new(*report.Refusal)) {
		t.Errorf("no JSON: got %v; want an error that is no refusal", err)
	}
}

// FuzzVerify: nothing but what was signed is believed.
func FuzzVerify(f *testing.F) {
	f.Add([]byte(`{"signature":{"algorithm":"HMAC-SHA256","key":"","mac":""}}`))
	f.Add([]byte("{}"))
	var out bytes.Buffer
	sheet := passing()
	if err := report.Write(&out, "json", sheet, report.Options{Key: secret}); err != nil {
		f.Fatal(err)
	}
	good := out.Bytes()
	f.Add(good)
	f.Fuzz(func(t *testing.T, data []byte) {
		if d, err := report.Verify(data, secret); err == nil && !bytes.Equal(data, good) || err == nil && d == nil {
			t.Errorf("believed: %s", data)
		}
	})
}
