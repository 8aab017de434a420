# A varved of a test's own: started, stopped, killed.
package Node;
use strict;
use warnings;
use IO::Socket::INET;
use POSIX ();
use Time::HiRes ();

# It comes from below what the system hands out to those who connect: a client that tries again and
# again while there is no server may otherwise get the very port.
sub free_port {
    for (1 .. 200) {
        my $port = 15000 + int rand 17000;
        my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1);
        return $port if $socket;
    }
    die 'no free port';
}

# dir: where its data is (dir/data), what it says (dir/out, dir/err) and a core; port; options, as
# KEY=VALUE; uid: to be somebody else.
sub new {
    my ($class, %self) = @_;
    $self{program} //= ($ENV{builddir} // '.') . '/server/main/varved';
    $self{port} //= free_port();
    $self{options} //= [];
    return bless \%self, $class;
}

# It runs, and is not ready yet.
sub start {
    my ($self, %env) = @_;
    $self->stop('KILL') if $self->{pid};
    my @command = ($self->{program}, map { ('-o', $_) } "log.dirs=$self->{dir}/data",
        "listeners=PLAINTEXT://127.0.0.1:$self->{port}", 'admin.listeners=', @{ $self->{options} });

    unlink "$self->{dir}/out";
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open STDOUT, '>', "$self->{dir}/out" or die "out: $!";
        open STDERR, '>>', "$self->{dir}/err" or die "err: $!";
        open STDIN, '<', '/dev/null';
        POSIX::setuid($self->{uid}) or die "setuid: $!" if $self->{uid};
        @ENV{ keys %env } = values %env;
        exec @command or die "$command[0]: $!";
    }
    $self->{pid} = $pid;
}

# Until CONDITION holds, a minute at most: is it so?
sub wait_until {
    my ($condition) = @_;
    for (1 .. 12000) {
        return 1 if $condition->();
        Time::HiRes::sleep(0.005);
    }
    return 0;
}

sub said { my ($self, $file) = @_; return slurp("$self->{dir}/$file") }

sub slurp {
    my ($path) = @_;
    open my $in, '<', $path or return '';
    local $/;
    return <$in> // '';
}

# Has it ended?  Then $? says how.
sub has_ended {
    my ($self) = @_;
    return 1 if !$self->{pid};
    return 0 if waitpid($self->{pid}, POSIX::WNOHANG()) == 0;
    $self->{status} = $?;
    $self->{pid} = undef;
    return 1;
}

sub is_ready {
    my ($self) = @_;
    wait_until(sub { $self->said('out') =~ /^ready /m || $self->has_ended });
    return $self->{pid} ? 1 : 0;
}

# How it ended: 0, an exit code, or "signal N"; undef when it doesn't end.
sub ending {
    my ($self) = @_;
    wait_until(sub { $self->has_ended }) or return undef;
    my $signal = $self->{status} & 127;
    return $signal ? "signal $signal" : $self->{status} >> 8;
}

sub stop {
    my ($self, $signal) = @_;
    kill $signal, $self->{pid} if $self->{pid};
    return $self->ending;
}

# Resident memory in bytes.
sub memory {
    my ($self) = @_;
    return slurp("/proc/$self->{pid}/status") =~ /VmRSS:\s+(\d+) kB/ ? $1 * 1024 : 0;
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $!);
    $self->stop('KILL') if $self->{pid};
}

1;
