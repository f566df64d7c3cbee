package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"time"

	"twite/models"
	"twite/views"
)

const certificateSoon = 14 * 24 * time.Hour // before the end of a certificate that nobody has renewed

func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// mail looks whether the mail server lets us in, and sends a mail only when it is told where to.
func (x *examination) mail(ctx context.Context) []finding {
	if x.SMTP.Host == "" {
		return warn("none is sent: set TWITE_SMTP_URL, or give links out yourself with twite user reset-link")
	}
	ctx, stop := context.WithTimeout(ctx, doctorTimeout)
	defer stop()
	client, err := x.SMTP.client()
	if err != nil {
		return bad("%v: check TWITE_SMTP_URL", err)
	}
	if err := client.DialWithContext(ctx); err != nil {
		return bad("%s lets nobody in: %v: %s", x.SMTP.Host, err, mailAdvice(err))
	}
	client.Close()
	if x.mailTo == "" {
		return well("%s lets us in: see whether mail arrives with --mail-to ADDRESS", x.SMTP.Host)
	}
	if wrong := models.ValidateEmail(x.mailTo); wrong != "" {
		return bad("--mail-to: %s", wrong)
	}
	w := x.worker(x.db, nil)
	if err := w.send(ctx, x.mailTo, views.DoctorMail(w.site)); err != nil {
		return bad("%s takes no mail: %v: check TWITE_MAIL_FROM, and what the server says", x.SMTP.Host, err)
	}
	return well("%s has taken a mail to %s: see whether it arrives, and not among the spam", x.SMTP.Host, x.mailTo)
}

// mailAdvice is what to do about a mail server that does not let us in.
func mailAdvice(err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var network *net.OpError
	switch {
	case errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &invalid):
		return "its certificate must be good for the name in TWITE_SMTP_URL"
	case errors.As(err, &network):
		return "check the host and port in TWITE_SMTP_URL, and the firewall"
	}
	return "check the user, the password and the port in TWITE_SMTP_URL"
}

// certificate looks at what visitors of the site are shown.
func (x *examination) certificate(ctx context.Context) []finding {
	if x.Site.BaseURL.Scheme != "https" {
		return nil
	}
	ctx, stop := context.WithTimeout(ctx, doctorTimeout)
	defer stop()
	host, port := x.Site.BaseURL.Hostname(), x.Site.BaseURL.Port()
	if port == "" {
		port = "443"
	}
	dialer := tls.Dialer{Config: &tls.Config{ServerName: host, RootCAs: x.roots, MinVersion: tls.VersionTLS12}}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	var refused *tls.CertificateVerificationError
	if errors.As(err, &refused) {
		return bad("browsers refuse it: %v: renew it, and send the whole chain", err)
	}
	if err != nil {
		return warn("%s cannot be reached from here: %v: see that its name leads to this machine, and the firewall lets port %s in", x.Site.BaseURL, err, port)
	}
	defer conn.Close()
	end := conn.(*tls.Conn).ConnectionState().PeerCertificates[0].NotAfter
	if left := end.Sub(x.now); left < certificateSoon {
		return warn("it ends on %s, in %d days: see why it was not renewed", end.Format(time.DateOnly), int(left.Hours()/24))
	}
	return well("good until %s", end.Format(time.DateOnly))
}

// server asks the running one whether it is ready.
func (x *examination) server(ctx context.Context) []finding {
	if err := askReady(ctx, x.Config); err != nil {
		return bad("%v: start it, or check TWITE_ADDR", err)
	}
	return well("it is ready")
}
