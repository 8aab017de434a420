package AuthProxy;
# A proxy that makes tunnels (CONNECT) for who tells it the right user and password, on a port of its own; it ends with
# the script.
#
#   my $proxy = AuthProxy->start('joe:secret');
#   $proxy->address;                    127.0.0.1:PORT
#   $proxy->let_in; $proxy->refused;    how many it has been asked for, so far
use strict;
use warnings;
use File::Temp;
use IO::Select;
use IO::Socket::INET;
use MIME::Base64;
use POSIX ();

my @pids;

sub start {
    my ($class, $who) = @_;
    my $s = IO::Socket::INET->new(Listen => 50, LocalAddr => '127.0.0.1') or die "listen: $!";
    my $self = bless { notes => File::Temp->new, address => '127.0.0.1:' . $s->sockport }, $class;
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        $self->serve($s, 'Basic ' . encode_base64($who, ''));
        POSIX::_exit(1);
    }
    push @pids, $pid;
    return $self;
}

sub address { return $_[0]{address} }
sub let_in { return $_[0]->noted('+') }
sub refused { return $_[0]->noted('-') }

# One byte for each request: several children write.
sub note {
    my ($self, $what) = @_;
    open(my $f, '>>', $self->{notes}->filename) or return;
    syswrite($f, $what);
}

sub noted {
    my ($self, $what) = @_;
    open(my $f, '<', $self->{notes}->filename) or die "notes: $!";
    local $/;
    return scalar grep { $_ eq $what } split //, <$f> // '';
}

sub serve {
    my ($self, $s, $expected) = @_;
    local $SIG{CHLD} = 'IGNORE';
    while (1) {
        my $c = $s->accept or next;
        my $pid = fork // die "fork: $!";
        if ($pid == 0) {
            $self->answer($c, $expected);
            POSIX::_exit(0);
        }
        close $c;
    }
}

sub answer {
    my ($self, $c, $expected) = @_;
    my ($to, $told) = ('', '');
    while (defined(my $line = <$c>)) { # nothing comes behind them before the answer
        $to = $1 if $line =~ /^CONNECT (\S+) /;
        $told = $1 if $line =~ /^Proxy-Authorization: (.*?)\r?$/i;
        last if $line =~ /^\r?$/;
    }
    if ($told ne $expected) {
        $self->note('-');
        syswrite($c, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"test\"\r\n"
            . "Content-Length: 0\r\nConnection: close\r\n\r\n");
        return;
    }
    $self->note('+');
    my $up = IO::Socket::INET->new($to) or return;
    syswrite($c, "HTTP/1.1 200 OK\r\n\r\n");
    my $both = IO::Select->new($c, $up);
    while (1) {
        for my $from ($both->can_read) {
            sysread($from, my $bytes, 65536) or return;
            pass($bytes, $from == $c ? $up : $c) or return;
        }
    }
}

sub pass {
    my ($bytes, $to) = @_;
    for (my $at = 0; $at < length $bytes; ) {
        $at += syswrite($to, $bytes, length($bytes) - $at, $at) // return 0;
    }
    return 1;
}

END {
    my $code = $?;
    kill TERM => @pids;
    waitpid $_, 0 for @pids;
    $? = $code;
}

1;
